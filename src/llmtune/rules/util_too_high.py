"""`--gpu-memory-utilization` claims memory that is not there.

The CUDA context and NCCL take memory before the engine looks, and other processes, fragmentation and graphs need some
beside the budget. Since 0.9.1 the engine refuses to start when less is free than it claims ("Free memory on device ...
is less than desired GPU memory utilization", vLLM 0.33.0, v1/worker/utils.py, request_memory), so 1.0 never starts on
a GPU with memory of its own. From 0.95 on a start may run out of memory later, under load. Where model and GPU are
known the estimate decides.

Example:
    ```sh
    vllm serve Qwen/Qwen3-8B --max-model-len 8192 --gpu-memory-utilization 1.0 --host 127.0.0.1
    ```

Use instead:
    ```sh
    vllm serve Qwen/Qwen3-8B --max-model-len 8192 --gpu-memory-utilization 0.9 --host 127.0.0.1
    ```
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.calc.mending import set_to
from llmtune.calc.switches import on, ratio
from llmtune.calc.trials import starts_with
from llmtune.calc.wording import gib

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llmtune.calc.case import Case
    from llmtune.spec.finding import Finding
    from llmtune.spec.memory import Memory

SEVERITY = "warning"
FLAG = "gpu-memory-utilization"
NO_ROOM = 0.998  # a CUDA context takes 0.2 GiB at least, which is more than the rest of any GPU below 100 GiB
LITTLE_ROOM = 0.95
LOWER = (0.95, 0.93, 0.9, 0.88, 0.85, 0.8)  # what is tried where a share does not work
OVERFLOWS = frozenset({"free_memory", "cuda_graphs"})


def check(case: Case) -> Iterator[Finding]:
    """By the plan where there is one, else by the number alone."""
    share, memory = case.number(FLAG), case.memory
    if memory is not None:
        yield from _by_plan(case, memory, share)
    if share is None or not share <= 1 or share < LITTLE_ROOM or (memory is not None and share <= LITTLE_ROOM):
        return
    if memory is not None and (memory.failure is not None or memory.doubt):
        return
    refused = memory is None and share >= NO_ROOM and _is_checked(case)
    default = ratio(case.engine, "default.gpu_memory_utilization")
    room = "no room for" if refused else "little room for"
    yield case.finding(
        f"--gpu-memory-utilization {share:g} leaves {room} the CUDA context and what else lies beside the budget",
        case.setting(FLAG),
        help=f"set it to {default:g} or lower",
        fix=set_to(case.setting(FLAG), f"{default:g}"),
        severity="error" if refused else "",
        confidence="likely",
    )


def _by_plan(case: Case, memory: Memory, share: float | None) -> Iterator[Finding]:
    """What lies beside the budget overflows the GPU, surely or perhaps, though nobody else uses it."""
    hardware, resolved = case.hardware, case.resolved
    if hardware is None or resolved is None or hardware.free_memory is not None or hardware.gpu.integrated:
        return
    fails = memory.failure is not None and memory.failure.kind in OVERFLOWS
    close = memory.doubt != "" and not memory.doubt.startswith("at ") and memory.failure is None
    if not fails and not close:
        return
    better = next((value for value in LOWER if value < resolved.gpu_memory_utilization and _starts(case, value)), None)
    rest = memory.total - memory.budget
    unsure = memory.verdict != "no"
    yield case.finding(
        f"gpu-memory-utilization {resolved.gpu_memory_utilization:g} "
        f"{'may leave' if unsure else 'leaves'} too little beside the budget",
        case.setting(FLAG) or case.model_word,
        note=memory.doubt or f"{gib(max(0, rest))} are left for the CUDA context and what the budget does not count",
        help=f"set --gpu-memory-utilization {better:g}" if better else "lower --gpu-memory-utilization",
        fix=set_to(case.setting(FLAG), f"{better:g}") if better and share is not None else None,
        severity="warning" if unsure else "error",
        confidence="likely" if unsure else "",
    )


def _starts(case: Case, share: float) -> bool:
    return starts_with(case, {FLAG: share})


def _is_checked(case: Case) -> bool:
    """Whether the release compares its budget with free memory, on a GPU that has memory of its own."""
    gpu = case.hardware.gpu if case.hardware is not None else None
    discrete = gpu is None or (gpu.vendor == "nvidia" and not gpu.integrated)
    return discrete and on(case.engine, "memory.free_memory_check")
