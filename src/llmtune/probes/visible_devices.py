"""CUDA_VISIBLE_DEVICES: the devices that a CUDA program uses, in its order.

The rules are CUDA's as PyTorch repeats them (torch/cuda/__init__.py::_parse_visible_devices and
_transform_uuid_to_ordinals, 2.7): the first entry decides whether the list holds numbers or UUIDs; a UUID may be cut
short as long as one device begins with it; the first entry that names no device ends the list; an entry that is named
twice empties it. With MIG (NVIDIA's MIG user guide, "CUDA device enumeration") a program sees one instance, the first,
and no whole GPU beside it. A GPU's number then means the first instance on it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from llmtune.spec.machine import Device

UUID_KINDS = ("GPU-", "MIG-")
NUMBER = re.compile(r"\s*([+-]?[0-9]{1,9})")  # as strtoul reads it: "1gpu" is 1


def select(devices: Sequence[Device], visible: str | None) -> tuple[tuple[Device, ...], tuple[str, ...]]:
    """The devices a program sees, and a sentence for everything that is surprising.

    ``devices`` come in NVML's order, the instances of a MIG GPU in place of it; ``visible`` is the variable's value,
    None when it is not set.
    """
    if visible is None:
        return _one_instance(tuple(devices))
    entries = visible.split(",") if visible.strip() else []
    chosen: list[Device] = []
    notes: list[str] = []
    for entry in entries:
        device = _named(entry, entries[0], devices)
        if device is None:
            if not entry.strip().startswith("-"):  # -1 ends a list on purpose
                notes.append(f"CUDA_VISIBLE_DEVICES: '{entry.strip()}' names no device; CUDA stops reading there")
            break
        if device in chosen:
            return (), (*notes, f"CUDA_VISIBLE_DEVICES names device {device.label} twice; CUDA then uses none")
        chosen.append(device)
    used, more = _one_instance(tuple(chosen))
    return used, (*notes, *more)


def _named(entry: str, first: str, devices: Sequence[Device]) -> Device | None:
    """The device of one entry, or None."""
    for kind in UUID_KINDS:
        if first.startswith(kind):
            found = [device for device in devices if entry.startswith(kind) and _answers_to(device, entry)]
            return found[0] if len({device.index for device in found}) == 1 and _single(found, kind) else None
    number = NUMBER.match(entry)
    if number is None or int(number[1]) < 0:
        return None
    gpus = list(dict.fromkeys(device.index for device in devices))
    if int(number[1]) >= len(gpus):
        return None
    return next(device for device in devices if device.index == gpus[int(number[1])])


def _answers_to(device: Device, prefix: str) -> bool:
    """Whether the UUID begins so; the UUID of a GPU that is cut up means its first instance."""
    names = [device.uuid, device.mig.parent_uuid if device.mig else None]
    return any(name is not None and name.startswith(prefix) for name in names)


def _single(found: Sequence[Device], kind: str) -> bool:
    return kind == "GPU-" or len(found) == 1


def _one_instance(devices: tuple[Device, ...]) -> tuple[tuple[Device, ...], tuple[str, ...]]:
    """CUDA's limit: with MIG instances among them, the first instance alone."""
    instances = [device for device in devices if device.mig]
    if not instances or len(devices) == 1:
        return devices, ()
    first = instances[0]
    return (first,), (f"a CUDA program uses one MIG instance and nothing beside it: device {first.label}",)
