"""Others hold memory of the GPU that the server claims.

`--gpu-memory-utilization` is a share of the whole GPU. When a display, a notebook, another server or, on GPUs without
memory of their own, the system itself already use a part, the engine finds less free memory than it wants and stops:
"Free memory on device cuda:0 (19.8/22.03 GiB) on startup is less than desired GPU memory utilization (0.92, 20.27
GiB)" (since 0.9.1; vLLM 0.33.0, v1/worker/utils.py, request_memory).

Example:
    ```sh gpu=l4 free-memory=12GiB
    vllm serve Qwen/Qwen3-0.6B --max-model-len 8192 --host 127.0.0.1
    ```

Use instead:
    ```sh gpu=l4 free-memory=12GiB
    vllm serve Qwen/Qwen3-0.6B --max-model-len 8192 --gpu-memory-utilization 0.5 --host 127.0.0.1
    ```
"""

from __future__ import annotations

from math import floor
from typing import TYPE_CHECKING

from llmtune.calc.mending import set_to
from llmtune.calc.sharing import highest_share, taken_by_others
from llmtune.calc.trials import starts_with
from llmtune.calc.wording import gib

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llmtune.calc.case import Case
    from llmtune.spec.finding import Finding

SEVERITY = "error"
NEEDS = ("memory",)
FLAG = "gpu-memory-utilization"
OVERFLOWS = frozenset({"free_memory", "cuda_graphs"})


def check(case: Case) -> Iterator[Finding]:
    """A budget that is not free, or may not be."""
    memory, resolved, hardware = case.memory, case.resolved, case.hardware
    if memory is None or resolved is None or hardware is None:
        return
    if hardware.free_memory is None and not hardware.gpu.integrated:
        return
    fails = memory.failure is not None and memory.failure.kind in OVERFLOWS
    close = memory.doubt != "" and not memory.doubt.startswith("at ") and memory.failure is None
    if not fails and not close:
        return
    taken, unsure = taken_by_others(hardware), memory.verdict != "no"
    share = _lower_share(case)
    yield case.finding(
        f"gpu-memory-utilization {resolved.gpu_memory_utilization:g} {'may claim' if unsure else 'claims'} memory that "
        "others hold",
        case.setting(FLAG) or case.model_word,
        note=memory.doubt or f"{gib(memory.budget)} of {gib(memory.total)} are claimed; others hold {gib(taken.bytes)}",
        help=f"set --gpu-memory-utilization {share:g}" if share else "stop what else runs there, or take another GPU",
        fix=set_to(case.setting(FLAG), f"{share:g}") if share else None,
        severity="warning" if unsure else "",
        confidence="likely" if unsure else "",
    )


def _lower_share(case: Case) -> float | None:
    """The highest share, in hundredths, whose memory is free; None where the server does not start with it."""
    if case.resolved is None or case.hardware is None:
        return None
    highest = highest_share(case.resolved, case.hardware, case.engine)
    if highest is None or highest <= 0:
        return None
    share = floor(highest * 100) / 100
    return share if starts_with(case, {FLAG: share}) else None
