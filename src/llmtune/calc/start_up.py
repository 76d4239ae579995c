"""Memory failures on the way to the KV cache: a GPU that is not free enough, weights or a profile run that overflow.

Source: vLLM 0.33.0 v1/worker/utils.py::request_memory, v1/worker/gpu_model_runner.py::_dummy_sampler_run.
"""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING

from llmtune.calc.non_torch import CONTEXT, non_torch
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


def refuse_free_memory(resolved: Resolved, hardware: Hardware, engine: EngineVersion) -> Failure | None:
    """The check at the start: the budget must be free. Without a probe, the least the process itself takes counts.

    Example:
        An H100 (79.19 GiB) has 78.9 GiB free at best when its worker looks: utilization 0.999 fails.

    """
    if not on(engine, "memory.free_memory_check") or resolved.runner == "v0":
        return None
    total = hardware.gpu.total_memory
    if hardware.free_memory is not None:
        free = hardware.free_memory - int(CONTEXT.low)
    else:
        free = total - non_torch(resolved, gpu=hardware.gpu, engine=engine).outside.low
    wanted = ceil(total * resolved.gpu_memory_utilization)
    if free >= wanted:
        return None
    share = resolved.gpu_memory_utilization
    return Failure(
        "free_memory",
        f"Free memory on device cuda:0 ({free / GIB:.2f}/{total / GIB:.2f} GiB) on startup is less than desired GPU "
        f"memory utilization ({share}, {wanted / GIB:.2f} GiB). Decrease GPU memory utilization or reduce GPU memory "
        "used by other processes.",
    )


def out_of_memory(charged: Sequence[Part], total: int, *, outside: int) -> Failure | None:
    """Whether loading or the profile run already overflow the GPU, whatever the budget says.

    ``charged`` starts with the weights and the activations; low bounds count, so that only what must fail does.
    """
    weights, activations = charged[0], charged[1]
    room = total - outside
    if weights.low > room:
        return Failure("weights", OUT_OF_MEMORY)
    if sum(part.low for part in charged if part.name != "CUDA graphs") <= room:
        return None
    if "sampling" in activations.why:
        requests = "".join(letter for letter in activations.why if letter.isdigit())
        return Failure(
            "sampler",
            f"CUDA out of memory occurred when warming up sampler with {requests} dummy requests. Please try lowering "
            "`max_num_seqs` or `gpu_memory_utilization` when initializing the engine.",
        )
    return Failure("activations", OUT_OF_MEMORY)
