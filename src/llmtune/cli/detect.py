"""``llmtune detect``: the GPUs of this machine as NVML shows them, and what they are planned as."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from llmtune.spec.hardware import Hardware
    from llmtune.spec.machine import Device, Machine

SCHEMA = "llmtune/detect/1"
FORMATS = ("text", "json")
GIB = 2**30
NAME_WIDTH = 32
WIDTH = 80
HEAD = f"{'GPU':<5}{'name':<{NAME_WIDTH}} {'total':>9} {'free':>9}  {'cap.':<5} {'ECC':<4} PCIe"
Format = Annotated[str, typer.Option("--format", "-f", help="text or json.")]


def command(format_: Format = "text") -> None:
    """Show this machine's GPUs: memory, who holds it, MIG instances, links, and what they are planned as."""
    text, code = run(format_)
    typer.echo(text, nl=False, err=code != 0 and format_ == "text")
    raise typer.Exit(code)


def run(output_format: str) -> tuple[str, int]:
    """The answer and the exit code.

    Exit 0 when a GPU was found. Otherwise exit 2 and, as text, one line for stderr that says how to go on, or, as
    JSON, a document with ``error`` in it.

    Raises:
        UserError: for a format that does not exist.

    """
    from llmtune.cli.errors import UserError  # noqa: PLC0415 - --help does not need these
    from llmtune.cli.hardware import find_machine, hardware_of  # noqa: PLC0415

    if output_format not in FORMATS:
        raise UserError(f"--format '{output_format}' is not one of {', '.join(FORMATS)}")
    try:
        machine = find_machine()
    except UserError as error:
        return _failure(str(error), output_format), 2
    hardware, notes = None, machine.notes
    try:
        hardware, notes = hardware_of(machine, device_order=os.environ.get("CUDA_DEVICE_ORDER"))
    except UserError as error:  # found, but not enough is known to plan with it
        notes = (*notes, str(error))
    render = _text if output_format == "text" else _json
    return render(machine, hardware, notes), 0


def _failure(line: str, output_format: str) -> str:
    if output_format == "text":
        return f"error: {line}\n"
    return _dump({"schema": SCHEMA, "error": line, "devices": [], "hardware": None, "notes": []})


def _text(machine: Machine, hardware: Hardware | None, notes: tuple[str, ...]) -> str:
    """A table of devices, then everything that does not fit into a row."""
    from textwrap import wrap  # noqa: PLC0415 - only this format

    lines = [f"NVIDIA driver {machine.driver or 'unknown'}, CUDA up to {machine.cuda or 'unknown'}", "", HEAD]
    lines += [_row(device) for device in machine.devices]
    lines.append("")
    for name, value in _facts(machine, hardware):
        lines += wrap(value, WIDTH, initial_indent=f"{name:<12}", subsequent_indent=" " * 12, break_on_hyphens=False)
    for note in notes:
        lines += wrap(note, WIDTH, initial_indent="note: ", subsequent_indent="      ", break_on_hyphens=False)
    return "\n".join(lines) + "\n"


def _row(device: Device) -> str:
    name = device.name.removeprefix("NVIDIA ") + (f" MIG {device.mig.profile}" if device.mig else "")
    short = name if len(name) <= NAME_WIDTH else f"{name[: NAME_WIDTH - 3]}..."
    ecc = {True: "on", False: "off", None: "-"}[device.ecc]
    sizes = f"{_gib(device.total_memory):>9} {_gib(device.free_memory):>9}"
    return f"{device.label:<5}{short:<{NAME_WIDTH}} {sizes}  {_capability(device):<5} {ecc:<4} {_pcie(device)}"


def _facts(machine: Machine, hardware: Hardware | None) -> list[tuple[str, str]]:
    """What stands under the table: name and value."""
    facts = [("NVLink", _nvlink(machine.devices))]
    facts += [("in use", line) for line in _processes(machine.devices)]
    if machine.visible != machine.devices:
        facts.append(("visible", ", ".join(device.label for device in machine.visible) or "none"))
    if hardware is not None:
        gpu, free = hardware.gpu, hardware.free_memory
        size = f"{gpu.total_memory / GIB:.2f} GiB each as CUDA reports it"
        left = "" if free is None else f", {free / GIB:.2f} GiB free on the fullest"
        facts.append(("planned as", f"{hardware.gpus_per_node} x {gpu.name}, {size}{left}"))
    return facts


def _nvlink(devices: tuple[Device, ...]) -> str:
    """``all pairs``, or the pairs one by one."""
    pairs = [(one.index, other) for one in devices for other in one.nvlink or () if one.index < other]
    if pairs and len(pairs) == len(devices) * (len(devices) - 1) // 2:
        return "all pairs"
    if pairs:
        return ", ".join(f"{one}-{other}" for one, other in pairs)
    return "not known" if any(device.nvlink is None for device in devices) else "none"


def _processes(devices: tuple[Device, ...]) -> list[str]:
    return [
        f"GPU {device.label}: {process.name or 'a process'} (pid {process.pid})"
        + ("" if process.memory is None else f", {_gib(process.memory)}")
        for device in devices
        for process in device.processes
    ]


def _gib(size: int | None) -> str:
    return "-" if size is None else f"{size / GIB:.1f} GiB"


def _capability(device: Device) -> str:
    return ".".join(map(str, device.compute_capability)) if device.compute_capability else "-"


def _pcie(device: Device) -> str:
    """Generation and lanes, with what they could be where that is more."""
    link = device.pcie
    if link.max_generation is None or link.width is None:
        return "-"
    return f"{link.max_generation} x{link.width}" + (f"/{link.max_width}" if link.width != link.max_width else "")


def _json(machine: Machine, hardware: Hardware | None, notes: tuple[str, ...]) -> str:
    visible = {device.label: place for place, device in enumerate(machine.visible)}
    planned = None
    if hardware is not None:
        planned = {
            "gpu": hardware.gpu.name,
            "gpus_per_node": hardware.gpus_per_node,
            "total_memory_bytes": hardware.gpu.total_memory,
            "free_memory_bytes": hardware.free_memory,
            "shared_with_display": hardware.shared_with_display,
        }
    return _dump(
        {
            "schema": SCHEMA,
            "driver": machine.driver,
            "cuda": machine.cuda,
            "devices": [{**_device(device), "cuda_index": visible.get(device.label)} for device in machine.devices],
            "hardware": planned,
            "notes": list(notes),
        }
    )


def _device(device: Device) -> dict[str, Any]:
    mig, link = device.mig, device.pcie
    return {
        "index": device.index,
        "mig": {"profile": mig.profile, "instance": mig.instance, "parent_uuid": mig.parent_uuid} if mig else None,
        "uuid": device.uuid,
        "name": device.name,
        "total_memory_bytes": device.total_memory,
        "free_memory_bytes": device.free_memory,
        "reserved_memory_bytes": device.reserved_memory,
        "integrated": device.integrated,
        "display": device.display,
        "ecc": device.ecc,
        "compute_capability": _capability(device) if device.compute_capability else None,
        "nvlink": None if device.nvlink is None else list(device.nvlink),
        "pcie": {
            "generation": link.generation,
            "max_generation": link.max_generation,
            "width": link.width,
            "max_width": link.max_width,
        },
        "processes": [{"pid": one.pid, "name": one.name, "memory_bytes": one.memory} for one in device.processes],
    }


def _dump(document: dict[str, Any]) -> str:
    import json  # noqa: PLC0415 - only this format

    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"
