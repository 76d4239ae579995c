"""Hardware from the options: a GPU by name, a cloud machine, a description, or what this machine has."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from typing import TYPE_CHECKING

from llmtune.catalog import UnknownName, gpus, instances
from llmtune.cli.errors import UserError
from llmtune.cli.found_hardware import described_gpu, hardware_of
from llmtune.cli.sharing import Sharing, apply_sharing, read_sharing
from llmtune.cli.sizes import read_size
from llmtune.spec.hardware import Gpu, Hardware
from llmtune.spec.record import dataclass

if TYPE_CHECKING:
    from collections.abc import Sequence

    from llmtune.spec.machine import Machine

__all__ = ["find_machine", "from_options", "hardware_of", "read_capability", "read_size"]

AUTO = "auto"
PROBE_TIMEOUT = 15.0  # seconds: without persistence mode a driver wakes its GPUs one by one, about a second each
LARGEST_COUNT = 1024  # GPUs in a node, nodes: far beyond anything that is built, so a typing mistake
CAPABILITY = re.compile(r"([0-9]{1,2})\.([0-9])")
CAPABILITIES = (5, 20)  # majors: Maxwell, and more than there is
GIB = 2**30


@dataclass(frozen=True, slots=True)
class _Wanted:
    """The options, read."""

    gpu: str | None
    gpus: int | None
    nodes: int
    instance: str | None
    total: int | None
    sharing: Sharing
    capability: tuple[int, int] | None


def from_options(  # noqa: PLR0913 - one parameter an option
    *,
    gpu: str | None = AUTO,
    gpus: int | None = None,
    nodes: int = 1,
    instance: str | None = None,
    gpu_memory: str | None = None,
    free_memory: str | None = None,
    shared_with: Sequence[str] | None = None,
    gpu_share: str | None = None,
    compute_capability: str | None = None,
) -> tuple[Hardware, tuple[str, ...]]:
    """The hardware that the options describe, and what is assumed about it.

    ``gpu`` is a name, or ``auto`` (or None): this machine's GPUs, unless ``instance``, or ``gpu_memory`` with
    ``compute_capability``, already say what to plan for. ``gpus`` counts those of one node; left out it is one GPU by
    name, all of an instance, all that are visible here.

    Raises:
        UserError: when options are wrong, contradict each other, or this machine cannot be read.
        UnknownName: when the catalogue does not have the GPU or the instance.

    """
    name = (gpu or AUTO).strip()
    wanted = _Wanted(
        gpu=None if name.casefold() == AUTO else name,
        gpus=None if gpus is None else _count("--gpus", gpus),
        nodes=_count("--nodes", nodes),
        instance=instance,
        total=None if gpu_memory is None else read_size("--gpu-memory", gpu_memory),
        sharing=read_sharing(free_memory, shared_with, gpu_share),
        capability=None if compute_capability is None else read_capability(compute_capability),
    )
    if wanted.instance is not None:
        hardware, notes = _from_instance(wanted, wanted.instance)
    elif wanted.gpu is not None or (wanted.total is not None and wanted.capability is not None):
        hardware, notes = _from_name(wanted)
    else:
        hardware, notes = _from_machine(wanted)
    return _adjust(hardware, wanted, notes)


def find_machine() -> Machine:
    """What NVML knows about this machine, CUDA_VISIBLE_DEVICES heeded.

    Raises:
        UserError: when it cannot be read.

    """
    from llmtune.probes.nvml import ProbeError, probe  # noqa: PLC0415 - only when this machine is meant

    try:
        return probe(visible=os.environ.get("CUDA_VISIBLE_DEVICES"), timeout=PROBE_TIMEOUT)
    except ProbeError as error:
        raise UserError(str(error)) from error


def read_capability(text: str) -> tuple[int, int]:
    """A compute capability: ``8.9`` is (8, 9)."""
    found = CAPABILITY.fullmatch(text.strip())
    low, high = CAPABILITIES
    if found is None or not low <= int(found[1]) <= high:
        raise UserError(
            f"--compute-capability '{text}' is none: write 8.9 or 9.0 (https://developer.nvidia.com/cuda-gpus)"
        )
    return int(found[1]), int(found[2])


def _count(option: str, number: int) -> int:
    if not 1 <= number <= LARGEST_COUNT:
        raise UserError(f"{option} {number} is outside of 1 to {LARGEST_COUNT}")
    return number


def _from_instance(wanted: _Wanted, name: str) -> tuple[Hardware, tuple[str, ...]]:
    machine = instances.find(name)
    gpu = gpus.load(machine.gpu)
    if wanted.gpu is not None and gpus.find(wanted.gpu) != gpu:
        raise UserError(f"--instance {machine.name} has {gpu.name}, not '{wanted.gpu}': leave out --gpu")
    if wanted.gpus is not None and wanted.gpus > machine.gpus:
        raise UserError(f"--instance {machine.name} has {machine.gpus} GPUs, not {wanted.gpus}: add --nodes instead")
    count = wanted.gpus or machine.gpus
    hardware = Hardware(
        gpu=gpu, gpus_per_node=count, node_bandwidth=machine.fabric_bandwidth, origin=f"catalog, {machine.name}"
    )
    return hardware, (f"{count} of the {machine.gpus} GPUs of {machine.name}",) if count < machine.gpus else ()


def _from_name(wanted: _Wanted) -> tuple[Hardware, tuple[str, ...]]:
    """A GPU of the catalogue, or one that the options describe."""
    try:
        if wanted.gpu is not None:
            known = gpus.find(wanted.gpu, total_memory=wanted.total)
            return Hardware(gpu=known, gpus_per_node=wanted.gpus or 1), ()
    except UnknownName as unknown:
        if wanted.total is None and wanted.capability is None:
            raise
        if wanted.total is None or wanted.capability is None:
            missing = "--gpu-memory" if wanted.total is None else "--compute-capability"
            raise UserError(f"{unknown}; to describe a GPU that is not listed, add {missing}") from unknown
    total, capability = wanted.total, wanted.capability
    if total is None or capability is None:
        raise UserError("a GPU without a name needs --gpu-memory and --compute-capability")
    gpu = described_gpu(
        wanted.gpu or f"GPU with {total / GIB:.1f} GiB", total_memory=total, capability=capability, source="options"
    )
    note = f"'{gpu.name}' is described by options: its bandwidth and speed are not known"
    return Hardware(gpu=gpu, gpus_per_node=wanted.gpus or 1, origin="options"), (note,)


def _from_machine(wanted: _Wanted) -> tuple[Hardware, tuple[str, ...]]:
    """This machine's GPUs; options stand in for what NVML does not tell."""
    machine = find_machine()
    visible = tuple(
        replace(
            device,
            total_memory=device.total_memory or wanted.total,
            compute_capability=device.compute_capability or wanted.capability,
        )
        for device in machine.visible
    )
    return hardware_of(
        replace(machine, visible=visible), count=wanted.gpus, device_order=os.environ.get("CUDA_DEVICE_ORDER")
    )


def _adjust(hardware: Hardware, wanted: _Wanted, notes: tuple[str, ...]) -> tuple[Hardware, tuple[str, ...]]:
    """The options that hold for every source."""
    gpu = hardware.gpu
    _check_capability(gpu, wanted.capability)
    said = list(notes)
    if wanted.total is not None and wanted.total != gpu.total_memory:
        said.append(
            f"--gpu-memory: {wanted.total / GIB:.2f} GiB instead of {gpu.total_memory / GIB:.2f} GiB, "
            "taken as what CUDA reports"
        )
        gpu = replace(gpu, total_memory=wanted.total)
    if wanted.nodes > 1 and hardware.node_bandwidth is None:
        said.append("the network between the nodes is not known; --instance names a machine with its network")
    if wanted.nodes > 1 and hardware.origin.startswith("NVML"):
        said.append(f"all {wanted.nodes} nodes are taken to be like this one")
    hardware, about = apply_sharing(replace(hardware, gpu=gpu, nodes=wanted.nodes), wanted.sharing)
    return hardware, (*said, *about)


def _check_capability(gpu: Gpu, capability: tuple[int, int] | None) -> None:
    if capability is None or capability == gpu.compute_capability:
        return
    has = f"has {gpu.compute_capability[0]}.{gpu.compute_capability[1]}" if gpu.compute_capability else "has none"
    raise UserError(f"--compute-capability {capability[0]}.{capability[1]}: {gpu.name} {has}; leave the option out")
