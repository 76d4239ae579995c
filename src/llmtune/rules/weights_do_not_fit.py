"""The weights leave no room on the GPU.

vLLM may use its share of the GPU (`--gpu-memory-utilization`, 0.92 by default since 0.20, 0.9 before). Weights,
activations, CUDA graphs and buffers come off it first, and what is left is the KV cache. When nothing is left, loading
ends in `torch.OutOfMemoryError`, or the start in "No available memory for the cache blocks" (vLLM 0.33.0,
v1/core/kv_cache_planning.py). The sizes are those that `llmtune estimate` shows line by line.

Example:
    ```sh gpu=l4
    vllm serve Qwen/Qwen3-32B --max-model-len 8192 --host 127.0.0.1
    ```

Use instead:
    ```sh gpu=l4 gpus=2
    vllm serve Qwen/Qwen3-32B-AWQ --max-model-len 8192 --tensor-parallel-size 2 --host 127.0.0.1
    ```
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.calc.trials import smallest_split, starts_with
from llmtune.calc.wording import count, gib, one_gpu
from llmtune.rules.batched_tokens_memory import saved_by_less

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llmtune.calc.case import Case
    from llmtune.spec.finding import Finding
    from llmtune.spec.memory import Memory

SEVERITY = "error"
NEEDS = ("memory",)
SHARE = "gpu-memory-utilization"


def check(case: Case) -> Iterator[Finding]:
    """Weights that overflow the GPU or the budget, and budgets that have nothing left for the KV cache."""
    memory = case.memory
    if memory is None or memory.failure is None or memory.failure.check or case.hardware is None:
        return
    kind = memory.failure.kind
    nothing_left = kind == "kv_cache" and memory.kv is None and memory.kv_available <= 0
    if kind not in {"weights", "activations"} and not nothing_left:
        return
    if kind == "activations" and saved_by_less(case) is not None:
        return  # batched-tokens-memory says so
    unsure = memory.verdict != "no"
    weights = memory.part("weights").bytes
    if unsure:
        message = "it is too close to call whether the weights leave room for the KV cache"
    elif kind == "activations":
        message = f"weights and activations do not fit on {one_gpu(case.hardware)}"
    elif weights > memory.budget:
        message = f"the weights do not fit on {one_gpu(case.hardware)}"
    else:
        message = f"weights and activations leave no KV cache on {one_gpu(case.hardware)}"
    yield case.finding(
        message,
        case.model_word,
        note=memory.doubt or _sum(memory, weights),
        help=_ways_out(case),
        severity="warning" if unsure else "",
        confidence="likely" if unsure else "",
    )


def _sum(memory: Memory, weights: int) -> str:
    besides = max(0, memory.budget - memory.kv_available - weights)
    return f"{gib(weights)} of weights and {gib(besides)} besides; the budget is {gib(memory.budget)}"


def _ways_out(case: Case) -> str:
    ways = []
    if case.deployment.has(SHARE) and starts_with(case, {SHARE: None}):
        ways.append("leave --gpu-memory-utilization at its default")
    size = smallest_split(case)
    if size is not None:
        ways.append(f"split it: --tensor-parallel-size {size} on {count(size, 'GPU')}")
    return "; ".join([*ways, "serve a quantised checkpoint, or take a larger GPU"])
