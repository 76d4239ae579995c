"""Turns what NVML found into hardware to plan with: the catalogue's facts where a name is known, NVML's where not.

NVML and CUDA do not agree on a GPU's total memory. NVML counts what the driver reserves, CUDA does not, and vLLM plans
with CUDA's number. For a known name that is the catalogue's, as measured. Otherwise it is derived; see ``cuda_total``.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from llmtune.catalog import UnknownName, gpus
from llmtune.cli.errors import UserError
from llmtune.spec.hardware import Gpu, Hardware

if TYPE_CHECKING:
    from collections.abc import Sequence

    from llmtune.spec.machine import Device, Machine

GIB = 2**30
# NVML's total over the catalogue's (CUDA's) total: 1.004 (B200) to 1.041 (RTX 2080 Ti). Outside of this band the board
# is set up differently, as with ECC switched (A10: 24564 instead of 23028 MiB), or it is a virtual GPU.
SAME_BOARD = (0.99, 1.06)
# What the driver keeps back when it does not say. Above every GPU of the catalogue: 439 MiB of 11264 (RTX 2080 Ti),
# 882 MiB of 81920 (A100), 1103 MiB of 97871 (GH200), 1072 MiB of 284208 (GB300).
KEPT_BACK, KEPT_BACK_SHARE = 640 * 2**20, 0.005
MIG_MEMORY_SLICES, MIG_COMPUTE_SLICES = 8, 7  # NVIDIA MIG user guide: a GPU has 8 memory and 7 compute slices
PCIE_LANE = 1e9  # bytes per second and direction of a generation 3 lane; each generation doubles it
FULL_LINK = 0.9  # share of the catalogue's link speed below which the slot is worth a word
NEARLY_ALL = 0.98  # share of free memory from which nobody else is worth a word
ARCHITECTURES = {
    (6, 0): "pascal", (7, 0): "volta", (7, 5): "turing", (8, 0): "ampere", (8, 9): "ada", (9, 0): "hopper",
    (10, 0): "blackwell",
}  # fmt: skip


def hardware_of(
    machine: Machine, *, count: int | None = None, device_order: str | None = None
) -> tuple[Hardware, tuple[str, ...]]:
    """The hardware to plan with, and what is assumed or worth a warning.

    Args:
        machine: what the probe found.
        count: how many of the visible GPUs to use, all when None.
        device_order: the value of CUDA_DEVICE_ORDER.

    Raises:
        UserError: when no GPU is left, or too little is known about it.

    """
    used = _used(machine, count)
    found = [gpu_of(device) for device in used]
    gpu, mixed = _least([gpu for gpu, _ in found])
    gpu, links = _links(gpu, used)
    notes = [*machine.notes, *(note for _, about in found for note in about), *mixed, *links]
    if _order_matters(machine, used) and device_order != "PCI_BUS_ID":
        notes.append("GPUs differ: numbers in CUDA_VISIBLE_DEVICES are NVML's only with CUDA_DEVICE_ORDER=PCI_BUS_ID")
    free, held = _free(gpu, used)
    hardware = Hardware(
        gpu=gpu,
        gpus_per_node=len(used),
        free_memory=free,
        shared_with_display=any(device.display for device in used),
        origin=f"NVML, driver {machine.driver or 'unknown'}",
    )
    return hardware, tuple(dict.fromkeys([*notes, *held]))


def gpu_of(device: Device) -> tuple[Gpu, tuple[str, ...]]:
    """The GPU that a device is.

    Raises:
        UserError: when the catalogue does not have it and NVML does not tell its memory or compute capability.

    """
    board = device.mig.parent_memory if device.mig else device.total_memory
    try:
        known = gpus.find(device.name.partition(" (")[0], total_memory=board)  # Jetson: "Orin (nvgpu)"
    except UnknownName:
        return _unknown(device)
    if device.mig:
        return _slice(known, device)
    total, note = _total(device, known)
    return (known if total == known.total_memory else replace(known, total_memory=total)), note


def described_gpu(name: str, *, total_memory: int, capability: tuple[int, int], source: str) -> Gpu:
    """A GPU that the catalogue does not have: memory and kernels can be planned, speed cannot."""
    generation = max((known for known in ARCHITECTURES if known <= capability), default=None)
    return Gpu(
        name=name,
        product=name,
        vendor="nvidia",
        architecture=ARCHITECTURES[generation] if generation else "unknown",
        aliases=(),
        total_memory=total_memory,
        bandwidth=None,
        flops={},
        compute_capability=capability,
        gfx=None,
        multiprocessors=None,
        nvlink_bandwidth=None,
        pcie_bandwidth=None,
        integrated=False,
        source=(source,),
    )


def cuda_total(device: Device) -> int | None:
    """What CUDA will report as total memory, derived from NVML.

    NVML's total less what the driver reserves: an H100 with 81559 MiB reserves 328 to 551 MiB, depending on the driver,
    and CUDA shows 81008 to 81121 MiB. Without that figure (drivers before 510) more is taken off than any known GPU
    keeps back. A MIG instance keeps nothing back (3g.20gb of an A100: 19968 MiB in both), nor does unified memory.
    """
    if device.total_memory is None or device.mig or device.integrated:
        return device.total_memory
    if device.reserved_memory is not None:
        return device.total_memory - device.reserved_memory
    return device.total_memory - KEPT_BACK - int(device.total_memory * KEPT_BACK_SHARE)


def _used(machine: Machine, count: int | None) -> tuple[Device, ...]:
    if not machine.visible:
        raise UserError("CUDA_VISIBLE_DEVICES leaves no GPU: unset it, or name the GPU with --gpu")
    if count is not None and count > len(machine.visible):
        raise UserError(
            f"--gpus {count}, but a CUDA program sees {len(machine.visible)} of this machine's "
            f"{len(machine.devices)} devices (llmtune detect lists them): lower it, or name the GPU with --gpu"
        )
    return machine.visible[:count]


def _order_matters(machine: Machine, used: Sequence[Device]) -> bool:
    """Whether numbers choose among GPUs that differ: CUDA then counts the fastest first, NVML along the PCI bus."""
    names = {device.name for device in machine.devices}
    return len(names) > 1 and len(used) < len(machine.devices) and not any(device.mig for device in used)


def _total(device: Device, known: Gpu) -> tuple[int, tuple[str, ...]]:
    """Total memory to plan with: the catalogue's, unless this board shows another size."""
    derived = cuda_total(device)
    if device.total_memory is None or derived is None:
        return known.total_memory, (f"NVML does not tell the memory of {device.name}; the catalog's figure is used",)
    if device.integrated:
        return derived, ()
    low, high = SAME_BOARD
    if low <= device.total_memory / known.total_memory <= high:
        return min(known.total_memory, device.total_memory), ()
    ecc = {True: " with ECC on", False: " with ECC off", None: ""}[device.ecc]
    return derived, (
        f"{device.name} shows {device.total_memory / GIB:.2f} GiB{ecc}, which is not the board of the catalog "
        f"({known.total_memory / GIB:.2f} GiB in CUDA): planned with {derived / GIB:.2f} GiB",
    )


def _unknown(device: Device) -> tuple[Gpu, tuple[str, ...]]:
    total, name = cuda_total(device), device.name + (f" MIG {device.mig.profile}" if device.mig else "")
    if total is None:
        raise UserError(f"'{name}' is not in the catalog and NVML does not tell its memory: add --gpu-memory")
    if device.compute_capability is None:
        raise UserError(f"'{name}' is not in the catalog and NVML does not tell more: add --compute-capability")
    gpu = described_gpu(name, total_memory=total, capability=device.compute_capability, source="NVML")
    gpu = replace(gpu, integrated=device.integrated)
    how = "NVML less what the driver reserves" if device.reserved_memory is not None else "NVML less a bound"
    return gpu, (
        f"'{name}' is not in the catalog: speed is not known, {total / GIB:.2f} GiB is derived "
        f"({'as NVML says' if device.mig or device.integrated else how})",
    )


def _slice(known: Gpu, device: Device) -> tuple[Gpu, tuple[str, ...]]:
    """The part of a GPU that a MIG instance is."""
    mig = device.mig
    if mig is None or device.total_memory is None:
        raise UserError(f"NVML does not tell the memory of the MIG instance {device.label}: add --gpu-memory")
    board = mig.parent_memory or known.total_memory
    memory = max(1, round(MIG_MEMORY_SLICES * device.total_memory / board)) / MIG_MEMORY_SLICES
    if mig.multiprocessors and known.multiprocessors:
        compute = mig.multiprocessors / known.multiprocessors
    else:
        compute = int(mig.profile[0]) / MIG_COMPUTE_SLICES if mig.profile[0].isdigit() else memory
    processors = mig.multiprocessors or (int(known.multiprocessors * compute) if known.multiprocessors else None)
    gpu = replace(
        known,
        name=f"{known.name}-mig-{mig.profile}",
        product=f"{known.product} MIG {mig.profile}",
        aliases=(),
        total_memory=device.total_memory,
        bandwidth=int(known.bandwidth * memory) if known.bandwidth else None,
        flops={dtype: rate * compute for dtype, rate in known.flops.items()},
        multiprocessors=processors,
        nvlink_bandwidth=None,
    )
    return gpu, (f"MIG {mig.profile} is taken as {memory:.1%} of the GPU's bandwidth and {compute:.1%} of its speed",)


def _least(found: Sequence[Gpu]) -> tuple[Gpu, tuple[str, ...]]:
    """The GPU to plan for: the one with the least memory, since vLLM splits work evenly."""
    least = min(found, key=lambda gpu: (gpu.total_memory, gpu.compute_capability or (0, 0)))
    counts = Counter(gpu.product for gpu in found)
    if len(counts) == 1:
        return least, ()
    listed = ", ".join(f"{count} x {product}" for product, count in counts.items())
    notes = [f"mixed GPUs ({listed}): planned as {len(found)} x {least.product}, the one with the least memory"]
    notes += [
        f"{gpu.product} has a lower compute capability than {least.product}, so what is planned may not run on it: "
        "leave it out with CUDA_VISIBLE_DEVICES"
        for gpu in dict.fromkeys(found)
        if (gpu.compute_capability or (0, 0)) < (least.compute_capability or (0, 0))
    ]
    return least, tuple(notes)


def _links(gpu: Gpu, used: Sequence[Device]) -> tuple[Gpu, tuple[str, ...]]:
    """NVLink only where every pair is known to have it, as vLLM counts it; PCIe as fast as the slots are."""
    notes: list[str] = []
    apart = [
        (one.label, other.label)
        for position, one in enumerate(used)
        for other in used[position + 1 :]
        if one.nvlink is None or other.index not in one.nvlink
    ]
    if gpu.bridge_bandwidth and len(used) > 1:
        gpu = replace(gpu, nvlink_bandwidth=None if apart else gpu.bridge_bandwidth, bridge_bandwidth=None)
    elif apart and gpu.nvlink_bandwidth:
        gpu = replace(gpu, nvlink_bandwidth=None)
        notes.append(f"NVML shows no NVLink between GPU {apart[0][0]} and GPU {apart[0][1]}: planned without NVLink")
    rates = {
        PCIE_LANE * 2.0 ** (pcie.max_generation - 3) * pcie.width: f"generation {pcie.max_generation} x{pcie.width}"
        for pcie in (device.pcie for device in used)
        if pcie.max_generation and pcie.width
    }
    if rates and gpu.pcie_bandwidth and min(rates) < FULL_LINK * gpu.pcie_bandwidth:
        slow = min(rates)
        notes.append(f"PCIe runs at {rates[slow]}, {slow / gpu.pcie_bandwidth:.0%} of what the GPU can do")
        gpu = replace(gpu, pcie_bandwidth=int(slow))
    return gpu, tuple(notes)


def _free(gpu: Gpu, used: Sequence[Device]) -> tuple[int | None, tuple[str, ...]]:
    """Free memory of the fullest GPU, at most the total, and who holds the rest."""
    known = [device for device in used if device.free_memory is not None]
    if len(known) < len(used):
        return None, ("NVML does not tell how much memory is free: planned as if all were",)
    free = min(device.free_memory or 0 for device in known)
    notes = [
        f"GPU {device.label}: {(device.free_memory or 0) / GIB:.1f} GiB free; {_holders(device)}"
        for device in known
        if (device.free_memory or 0) < NEARLY_ALL * (cuda_total(device) or 0)
    ]
    return min(free, gpu.total_memory), tuple(notes)


def _holders(device: Device) -> str:
    """Who holds memory on a device, the largest three."""
    if device.integrated:
        return "the system and its programs hold the rest"
    if not device.processes:
        return "who holds the rest is not known"
    named = [
        f"{process.name or 'a process'} (pid {process.pid})"
        + (f" {process.memory / GIB:.1f} GiB" if process.memory is not None else "")
        for process in device.processes[:3]
    ]
    more = len(device.processes) - len(named)
    return f"processes: {', '.join(named)}{f' and {more} more' if more else ''}"
