"""The GPUs of this machine, through NVML (nvidia-ml-py).

Every call goes through ``_Nvml.ask``: what this GPU, driver or user cannot say is None, what makes all answers
worthless is a ``ProbeError`` of one line. The calls run in a child process: a broken driver may never answer.

Machines with unified memory (GB10, Jetson) answer "not supported" when asked for memory. Their GPU uses the host's:
total is MemTotal of /proc/meminfo, which is what CUDA reports there (GB10: 127600748 kB, 121.69 GiB in vLLM's log), and
free is MemAvailable, as vLLM counts there (0.32.0 utils/mem_utils.py::MemorySnapshot.measure).
"""

from __future__ import annotations

import os
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llmtune.probes.apart import CrashedError, run_apart
from llmtune.probes.visible_devices import select
from llmtune.spec.machine import Device, Machine, Mig, PcieLink, Process

if TYPE_CHECKING:
    from collections.abc import Iterator

MEMINFO = Path("/proc/meminfo")
MEMORY_V2 = 0x02000028  # nvml.h, nvmlMemory_v2: the struct that tells the reserved part; drivers from 510 on
NVLINK, LINKED = 2, 0  # nvml.h, NVML_P2P_CAPS_INDEX_NVLINK and NVML_P2P_STATUS_OK
INSTEAD = "or name the GPU with --gpu (see: llmtune list gpus)"
# NVML's return codes (nvml.h, nvmlReturn_t) after which no other answer can be trusted. All others mean: not known.
NOT_SUPPORTED, NO_PERMISSION, UNKNOWN = 3, 4, 999
FATAL = {
    9: f"the NVIDIA driver is not loaded: load it (modprobe nvidia), {INSTEAD}",
    12: f"no NVIDIA driver on this machine (libnvidia-ml.so.1 is missing): install it, {INSTEAD}",
    15: f"a GPU has fallen off the bus: restart the machine, {INSTEAD}",
    16: f"a GPU must be reset: run nvidia-smi --gpu-reset or restart the machine, {INSTEAD}",
    18: f"the NVIDIA library and the loaded kernel driver differ, as after an update: restart the machine, {INSTEAD}",
}
AT_START = {
    NO_PERMISSION: f"no permission to use the NVIDIA driver: check the rights of /dev/nvidia*, {INSTEAD}",
    13: f"the NVIDIA driver is too old to be asked: update it, {INSTEAD}",
    17: f"the system keeps us from the NVIDIA driver: check the container's device rights, {INSTEAD}",
    UNKNOWN: f"the NVIDIA driver fails with 'unknown error': restart the container or the machine, {INSTEAD}",
}
NO_LIBRARY = f"nvidia-ml-py is not installed: pip install nvidia-ml-py, {INSTEAD}"
NO_GPU = f"the NVIDIA driver is loaded but shows no GPU: check the container's or virtual machine's devices, {INSTEAD}"
NO_ACCESS = f"none of the GPUs can be used: check the rights of /dev/nvidia* and nvidia-smi, {INSTEAD}"
CRASHED = f"the NVIDIA driver library crashed while it was asked: see whether nvidia-smi works, {INSTEAD}"
LINUX_ONLY = f"GPUs can be looked up on Linux only: use WSL, {INSTEAD}"


class ProbeError(ValueError):
    """The GPUs of this machine cannot be read; the message is one line that says why and what to do."""


def probe(*, visible: str | None, timeout: float = 5.0) -> Machine:
    """What NVML knows about this machine.

    Args:
        visible: the value of CUDA_VISIBLE_DEVICES, None when it is not set.
        timeout: seconds until a driver that does not answer is given up.

    Raises:
        ProbeError: when there is nothing to read.

    """
    if not hasattr(os, "fork"):
        raise ProbeError(LINUX_ONLY)
    try:
        machine = run_apart(read_machine, timeout=timeout)
    except TimeoutError as error:
        raise ProbeError(
            f"the NVIDIA driver did not answer within {timeout:g} s: see whether nvidia-smi works, {INSTEAD}"
        ) from error
    except CrashedError as error:
        raise ProbeError(CRASHED) from error
    used, notes = select(machine.devices, visible)
    return replace(machine, visible=used, notes=(*machine.notes, *notes))


def read_machine() -> Machine:
    """Ask NVML for everything, in this process. All devices count as visible."""
    nvml = _Nvml()
    nvml.start()
    count = nvml.ask("nvmlDeviceGetCount") or 0
    if not count:
        raise ProbeError(NO_GPU)
    handles, notes = _open(nvml, count)
    devices = tuple(device for index in handles for device in _read_gpu(nvml, index, handles))
    if any(device.integrated for device in devices):
        notes.append(f"GPU and CPU share their memory; its size is from {MEMINFO}")
    cuda = nvml.ask("nvmlSystemGetCudaDriverVersion_v2")
    version = f"{cuda // 1000}.{cuda % 1000 // 10}" if cuda else None
    return Machine(devices, devices, nvml.ask("nvmlSystemGetDriverVersion"), version, tuple(notes))


def _open(nvml: _Nvml, count: int) -> tuple[dict[int, Any], list[str]]:
    """The handles of the GPUs that can be used, and why others cannot."""
    handles: dict[int, Any] = {}
    notes: list[str] = []
    for index in range(count):
        handle = nvml.ask("nvmlDeviceGetHandleByIndex", index)
        if handle is not None:
            handles[index] = handle
        else:
            why = "no permission to use it" if nvml.code == NO_PERMISSION else f"NVML error {nvml.code}"
            notes.append(f"GPU {index} is left out: {why}")
    if not handles:
        raise ProbeError(NO_ACCESS)
    return handles, notes


class _Nvml:
    """The library, behind one method; ``code`` is what the last call returned, 0 for success."""

    def __init__(self) -> None:
        try:
            self._library: Any = import_module("pynvml")
        except ImportError as error:
            raise ProbeError(NO_LIBRARY) from error
        self.code = 0

    def start(self) -> None:
        """Initialize NVML. Nothing shuts it down: the process that asks ends right after."""
        try:
            self._library.nvmlInit()
        except self._library.NVMLError as error:
            code = error.value
            raise ProbeError(
                FATAL.get(code) or AT_START.get(code) or f"the NVIDIA driver cannot be asked ({error}): {INSTEAD[3:]}"
            ) from None

    def ask(self, call: str, *arguments: Any, **options: Any) -> Any:
        """One NVML call; None when the answer cannot be had, be it for want of support, rights or a newer driver."""
        self.code = UNKNOWN
        function = getattr(self._library, call, None)
        if function is None:
            return None  # an older nvidia-ml-py
        try:
            answer = function(*arguments, **options)
        except self._library.NVMLError as error:
            self.code = error.value
            if error.value in FATAL:
                raise ProbeError(FATAL[error.value]) from None
            return None
        except (self._library.NVMLLibraryMismatchError, UnicodeDecodeError):
            return None  # an older driver, or a name that is no text
        self.code = 0
        return answer


def _read_gpu(nvml: _Nvml, index: int, handles: dict[int, Any]) -> Iterator[Device]:
    """The GPU, or its MIG instances when it is cut up: a CUDA program cannot use both."""
    handle = handles[index]
    whole = _read_device(nvml, index, handle)
    mode = nvml.ask("nvmlDeviceGetMigMode", handle)
    if not mode or not mode[0]:
        yield replace(whole, nvlink=_peers(nvml, index, handles))
        return
    for position in range(nvml.ask("nvmlDeviceGetMaxMigDeviceCount", handle) or 0):
        instance = nvml.ask("nvmlDeviceGetMigDeviceHandleByIndex", handle, position)
        if instance is not None:
            yield _read_instance(nvml, instance, position=position, parent=whole)


def _read_device(nvml: _Nvml, index: int, handle: Any) -> Device:
    total, free, reserved = _memory(nvml, handle)
    integrated = total is None and nvml.code in {0, NOT_SUPPORTED}
    if integrated:
        total, free = _host_memory()
    ecc = nvml.ask("nvmlDeviceGetEccMode", handle)
    display = nvml.ask("nvmlDeviceGetDisplayActive", handle)
    capability = nvml.ask("nvmlDeviceGetCudaComputeCapability", handle)
    return Device(
        index=index,
        uuid=nvml.ask("nvmlDeviceGetUUID", handle),
        name=nvml.ask("nvmlDeviceGetName", handle) or "unknown GPU",
        total_memory=total,
        free_memory=free,
        reserved_memory=reserved,
        processes=_processes(nvml, handle),
        mig=None,
        ecc=bool(ecc[0]) if ecc else None,
        compute_capability=(capability[0], capability[1]) if capability else None,
        nvlink=None,
        pcie=_pcie(nvml, handle),
        integrated=integrated,
        display=None if display is None else bool(display),
    )


def _read_instance(nvml: _Nvml, handle: Any, *, position: int, parent: Device) -> Device:
    """A MIG instance: memory and processes are its own, what concerns the board is the parent's."""
    total, free, _ = _memory(nvml, handle)
    attributes = nvml.ask("nvmlDeviceGetAttributes", handle)
    name = nvml.ask("nvmlDeviceGetName", handle) or parent.name
    base, _, profile = name.partition(" MIG ")
    if not profile and attributes:
        size = round((total or attributes.memorySizeMB << 20) / 2**30)
        profile = f"{attributes.gpuInstanceSliceCount}g.{size}gb"
    return replace(
        parent,
        uuid=nvml.ask("nvmlDeviceGetUUID", handle),
        name=base,
        total_memory=total,
        free_memory=free,
        reserved_memory=None,
        processes=_processes(nvml, handle),
        mig=Mig(
            profile=profile or "unknown profile",
            parent_uuid=parent.uuid,
            instance=position,
            parent_memory=parent.total_memory,
            multiprocessors=attributes.multiprocessorCount if attributes else None,
        ),
        nvlink=(),  # peer access stops at an instance's border
        integrated=False,
    )


def _memory(nvml: _Nvml, handle: Any) -> tuple[int | None, int | None, int | None]:
    """Total, free and reserved. A total of 0 is what some drivers say on machines with unified memory."""
    found = nvml.ask("nvmlDeviceGetMemoryInfo", handle, version=MEMORY_V2)
    if found is not None and found.total:
        return int(found.total), int(found.free), int(found.reserved)
    found = nvml.ask("nvmlDeviceGetMemoryInfo", handle)
    return (int(found.total), int(found.free), None) if found is not None and found.total else (None, None, None)


def _host_memory() -> tuple[int | None, int | None]:
    """MemTotal and MemAvailable in bytes."""
    try:
        lines = MEMINFO.read_text(encoding="ascii").splitlines()
    except (OSError, ValueError):
        return None, None
    sizes = {name: rest.split() for name, _, rest in (line.partition(":") for line in lines)}
    total, free = (sizes.get(name) for name in ("MemTotal", "MemAvailable"))
    return (int(total[0]) << 10 if total else None), (int(free[0]) << 10 if free else None)


def _processes(nvml: _Nvml, handle: Any) -> tuple[Process, ...]:
    """Who holds memory, the largest first; a process that computes and draws is listed once."""
    found: dict[int, int | None] = {}
    for call in ("nvmlDeviceGetComputeRunningProcesses", "nvmlDeviceGetGraphicsRunningProcesses"):
        for entry in nvml.ask(call, handle) or ():
            found[entry.pid] = max(entry.usedGpuMemory or 0, found.get(entry.pid) or 0) or None
    ranked = sorted(found.items(), key=lambda item: (-(item[1] or 0), item[0]))
    return tuple(Process(pid, _program(nvml.ask("nvmlSystemGetProcessName", pid)), size) for pid, size in ranked)


def _program(command: str | None) -> str | None:
    """The program's name alone: arguments may hold keys."""
    words = command.split(maxsplit=1) if command else []
    return words[0].rsplit("/", 1)[-1] or None if words else None


def _pcie(nvml: _Nvml, handle: Any) -> PcieLink:
    return PcieLink(
        generation=nvml.ask("nvmlDeviceGetCurrPcieLinkGeneration", handle),
        max_generation=nvml.ask("nvmlDeviceGetMaxPcieLinkGeneration", handle),
        width=nvml.ask("nvmlDeviceGetCurrPcieLinkWidth", handle),
        max_width=nvml.ask("nvmlDeviceGetMaxPcieLinkWidth", handle),
    )


def _peers(nvml: _Nvml, index: int, handles: dict[int, Any]) -> tuple[int, ...] | None:
    """The GPUs that NVLink reaches, by the question vLLM asks (0.32.0 platforms/cuda.py::is_fully_connected).

    None when NVML cannot tell for some pair; NVSwitch answers as a direct link does.
    """
    asked = {
        other: nvml.ask("nvmlDeviceGetP2PStatus", handles[index], handle, NVLINK)
        for other, handle in handles.items()
        if other != index
    }
    if any(status is None for status in asked.values()):
        return None
    return tuple(other for other, status in asked.items() if status == LINKED)
