"""Memory failures on the way to the KV cache: a GPU that is not free enough, weights or a profile run that overflow.

Source: vLLM 0.33.0 v1/worker/utils.py::request_memory, v1/worker/gpu_model_runner.py::_dummy_sampler_run.
"""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING

from llmtune.calc.sharing import OTHERS, taken_by_others, taken_by_server
from llmtune.calc.switches import on
from llmtune.spec.memory import Failure

if TYPE_CHECKING:
    from collections.abc import Sequence

    from llmtune.spec.deployment import Resolved
    from llmtune.spec.engine import EngineVersion
    from llmtune.spec.hardware import Hardware
    from llmtune.spec.memory import Part

GIB = 2**30
OUT_OF_MEMORY = "torch.OutOfMemoryError: CUDA out of memory."
PASSING = frozenset({"activations", "CUDA graphs", OTHERS})  # free again, not there yet, or counted with the room


def refuse_free_memory(resolved: Resolved, hardware: Hardware, engine: EngineVersion) -> Failure | None:
    """The check at the start: the budget must be free. The least that others and the process itself take counts.

    It is the V1 engine's, from 0.9.1 on; the device is named from 0.14.0 on.
    Source: vLLM 0.9.1 and 0.13.0 v1/worker/gpu_worker.py::init_device, 0.14.0 v1/worker/utils.py::request_memory.

    Example:
        An H100 (79.19 GiB) has 78.97 GiB free at best when its worker looks: utilization 0.999 fails.

    """
    if not on(engine, "memory.free_memory_check") or resolved.runner == "v0":
        return None
    total = hardware.gpu.total_memory
    free = max(0, total - taken_by_others(hardware).low - taken_by_server(resolved, hardware, engine).low)
    wanted = ceil(total * resolved.gpu_memory_utilization)
    if free >= wanted:
        return None
    device = " cuda:0" if on(engine, "memory.free_memory_names_device") else ""
    return Failure(
        "free_memory",
        f"Free memory on device{device} ({_gib(free)}/{_gib(total)} GiB) on startup is less than desired GPU memory "
        f"utilization ({resolved.gpu_memory_utilization}, {_gib(wanted)} GiB). Decrease GPU memory utilization or "
        "reduce GPU memory used by other processes.",
    )


def _gib(size: int) -> float:
    """GiB as the engine prints them (vLLM 0.33.0 utils/mem_utils.py::format_gib)."""
    return round(size / GIB, 2)


def refuse_cache(charged: Sequence[Part], cache: int, room: int, *, graphs: int) -> Failure | None:
    """Whether the KV cache, at its least, overflows the GPU beside what stays on it, or leaves no room for graphs.

    That is how a server fails which never compared its budget with free memory, or was told the cache's size.
    """
    held = sum(part.low for part in charged if part.name not in PASSING)
    if held + cache > room:
        return Failure("free_memory", OUT_OF_MEMORY)
    return Failure("cuda_graphs", OUT_OF_MEMORY) if held + cache + graphs > room else None


def out_of_memory(charged: Sequence[Part], total: int, *, outside: int) -> Failure | None:
    """Whether loading or the profile run already overflow the GPU, whatever the budget says.

    ``charged`` starts with the weights and the activations; low bounds count, so that only what must fail does.
    ``outside`` is what lies beside them, other processes included.
    """
    weights, activations = charged[0], charged[1]
    room = total - outside
    if weights.low > room:
        return Failure("weights", OUT_OF_MEMORY)
    if sum(part.low for part in charged if part.name not in {"CUDA graphs", OTHERS}) <= room:
        return None
    if "sampling" in activations.why:
        requests = "".join(letter for letter in activations.why if letter.isdigit())
        return Failure(
            "sampler",
            f"CUDA out of memory occurred when warming up sampler with {requests} dummy requests. Please try lowering "
            "`max_num_seqs` or `gpu_memory_utilization` when initializing the engine.",
        )
    return Failure("activations", OUT_OF_MEMORY)
