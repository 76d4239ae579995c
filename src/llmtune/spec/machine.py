"""The machine at hand as its driver describes it: GPUs, MIG instances, links and who holds memory.

Sizes are bytes. None always means that the driver, the GPU or the user's rights did not let us know.
"""

from __future__ import annotations

from llmtune.spec.record import dataclass


@dataclass(frozen=True, slots=True)
class Process:
    """A process with memory on a GPU; ``name`` is the program alone, without its arguments."""

    pid: int
    name: str | None
    memory: int | None


@dataclass(frozen=True, slots=True)
class Mig:
    """What makes a device a MIG instance: its profile (``3g.40gb``) and where it is cut from.

    ``parent_memory`` and ``multiprocessors`` say how much of the parent it has.
    """

    profile: str
    parent_uuid: str | None
    instance: int
    parent_memory: int | None
    multiprocessors: int | None


@dataclass(frozen=True, slots=True)
class PcieLink:
    """The link to the host. ``generation`` falls while a GPU idles; ``max_generation`` is what slot and GPU can do."""

    generation: int | None
    max_generation: int | None
    width: int | None
    max_width: int | None


@dataclass(frozen=True, slots=True)
class Device:
    """One GPU or MIG instance.

    ``index`` is NVML's (the parent's for a MIG instance), in the order of the PCI bus. ``total_memory`` is NVML's too:
    more than CUDA reports, by ``reserved_memory`` and a little. ``nvlink`` holds the indices of the GPUs that NVLink
    reaches, directly or through NVSwitch. ``integrated`` devices have no memory of their own: the sizes are the host's.
    """

    index: int
    uuid: str | None
    name: str
    total_memory: int | None
    free_memory: int | None
    reserved_memory: int | None
    processes: tuple[Process, ...]
    mig: Mig | None
    ecc: bool | None
    compute_capability: tuple[int, int] | None
    nvlink: tuple[int, ...] | None
    pcie: PcieLink
    integrated: bool
    display: bool | None

    @property
    def label(self) -> str:
        """What to call it: ``0``, or ``0:2`` for the third MIG instance of GPU 0."""
        return f"{self.index}:{self.mig.instance}" if self.mig else str(self.index)


@dataclass(frozen=True, slots=True)
class Machine:
    """All devices found, and in ``visible`` the ones that a CUDA program would use, in its order.

    ``notes`` are sentences about what could not be read or is left out.
    """

    devices: tuple[Device, ...]
    visible: tuple[Device, ...]
    driver: str | None
    cuda: str | None
    notes: tuple[str, ...] = ()
