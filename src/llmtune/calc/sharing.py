"""Memory of a GPU that the server does not get: other processes, other servers' parts, and unified memory's system.

    free at the start = total - others - what the server's own process takes before it looks

``others`` is what was probed or said. Without either it is nothing, and an estimate where GPU and system share their
memory. Releases that count all that is in use on the device charge the others to the budget; the rest do not.
Source: vLLM 0.33.0 v1/worker/utils.py::request_memory, utils/mem_utils.py::MemorySnapshot.measure; 0.8.5
v1/worker/gpu_worker.py::determine_available_memory.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.calc.constant import NOTHING, Constant, Range, exactly, times
from llmtune.calc.non_torch import baseline, non_torch
from llmtune.spec.memory import Part

if TYPE_CHECKING:
    from llmtune.spec.deployment import Resolved
    from llmtune.spec.engine import EngineVersion
    from llmtune.spec.hardware import Hardware

GIB = 2**30
OTHERS = "other processes"

SYSTEM = Constant(
    0.05, 0.02, 0.14, "of total memory",
    "GB10 of 121.69 GiB: 113.69 and 114.54 GiB free when the engine starts, 101.3 to 102.2 on each of two joined by "
    "TP; SERVER and CONTEXT taken off",
)  # fmt: skip
SERVER = Constant(
    2.2 * GIB, 1.5 * GIB, 3.0 * GIB, "B",
    "GB10 under 0.28.0: the engine sees 2.6 to 2.7 GiB less than MemAvailable was (2 start-ups), CONTEXT taken off",
)  # fmt: skip
DESKTOP = Constant(
    1.0 * GIB, 0.3 * GIB, 1.6 * GIB, "B", "not measured; reports of users: 0.3 GiB (nothing open) to 1.6 GiB (browser)"
)
STARTING_PROCESS = 600 << 20  # bytes a CUDA context takes before the engine looks at free memory (0.3-0.6 GiB)


def taken_by_others(hardware: Hardware) -> Range:
    """Bytes of each GPU that are taken before the server starts."""
    total = hardware.gpu.total_memory
    if hardware.free_memory is not None:
        return exactly(max(0, total - hardware.free_memory))
    return times(SYSTEM, total) if hardware.gpu.integrated else NOTHING


def taken_by_server(resolved: Resolved, hardware: Hardware, engine: EngineVersion) -> Range:
    """Bytes that the server itself takes before it looks at free memory.

    Where GPU and system share their memory, the processes' own memory on the host counts as well.
    """
    outside = non_torch(resolved, gpu=hardware.gpu, engine=engine).outside
    taken = Range(outside.bytes, outside.low, outside.high)
    return taken + times(SERVER, 1) if hardware.gpu.integrated else taken


def charges_others(resolved: Resolved, engine: EngineVersion) -> bool:
    """Whether what others use is taken off this server's budget."""
    return baseline(resolved, engine) == "device"


def others(resolved: Resolved, hardware: Hardware, engine: EngineVersion) -> tuple[Part, Part]:
    """What others take: charged to the budget, and beside it.

    Example:
        Of an H100 (79.19 GiB) 60 GiB are free. 0.8.5 takes the missing 19.19 GiB off the KV cache, 0.33.0 does not.

    """
    taken = taken_by_others(hardware)
    if hardware.gpu.integrated:
        taken += times(SERVER, 1)
    part = Part(OTHERS, taken.bytes, _why(hardware), taken.low, taken.high)
    nothing = Part(OTHERS, 0, "not charged" if part.high else "none known", 0, 0)
    return (part, nothing) if charges_others(resolved, engine) else (nothing, part)


def highest_share(resolved: Resolved, hardware: Hardware, engine: EngineVersion) -> float | None:
    """The utilization up to which the budget is free at the start; None where nothing bounds it.

    What is probed or said counts as it is, an estimate at its high end. A release that charges the others to the budget
    needs no bound: the budget then is one of all that is in use.
    """
    if charges_others(resolved, engine) or (hardware.free_memory is None and not hardware.gpu.integrated):
        return None
    server = max(STARTING_PROCESS, taken_by_server(resolved, hardware, engine).bytes)
    return (hardware.gpu.total_memory - taken_by_others(hardware).high - server) / hardware.gpu.total_memory


def _why(hardware: Hardware) -> str:
    if hardware.gpu.integrated:
        return "the system, other programs and the server's own processes share this memory"
    if hardware.gpu_share is not None:
        return f"{100 * (1 - hardware.gpu_share):.3g}% of the GPU belongs to other servers"
    free = hardware.gpu.total_memory if hardware.free_memory is None else hardware.free_memory
    return f"{free / GIB:.2f} GiB are free before the start"
