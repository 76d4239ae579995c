"""Large prefill steps take memory that the KV cache needs.

The engine profiles a step of `--max-num-batched-tokens` tokens at its start and keeps that much free for activations.
Beyond some thousand tokens a step hardly gets faster, and every further one takes KV cache from all requests (vLLM
0.33.0, v1/worker/gpu_worker.py, determine_available_memory).

Example:
    ```sh gpu=l4
    vllm serve Qwen/Qwen3-4B --max-model-len 8192 --max-num-batched-tokens 65536 --max-num-seqs 16 --host 127.0.0.1
    ```

Use instead:
    ```sh gpu=l4
    vllm serve Qwen/Qwen3-4B --max-model-len 8192 --max-num-batched-tokens 8192 --max-num-seqs 16 --host 127.0.0.1
    ```
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.calc.mending import set_to
from llmtune.calc.trials import memory_with
from llmtune.calc.wording import gib

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llmtune.calc.case import Case
    from llmtune.spec.finding import Finding

SEVERITY = "warning"
CONFIDENCE = "likely"
NEEDS = ("memory",)
FLAG = "max-num-batched-tokens"
ENOUGH = 8192  # tokens a step, from which prefill gains little
MUCH = 0.1  # of the GPU


def check(case: Case) -> Iterator[Finding]:
    """A step that was set far beyond need, and what a smaller one would give back."""
    memory, tokens, saved = case.memory, case.number(FLAG), saved_by_less(case)
    if memory is None or tokens is None or saved is None:
        return
    now, overflows = memory.part("activations").bytes, memory.failure is not None
    yield case.finding(
        f"a step of {int(tokens)} tokens {'overflows the GPU' if overflows else 'takes memory from the KV cache'}",
        case.setting(FLAG),
        note=f"activations take {gib(now)}; {ENOUGH} tokens would give back {gib(saved)}",
        help=f"set --max-num-batched-tokens {ENOUGH}",
        fix=set_to(case.setting(FLAG), ENOUGH),
        severity="error" if overflows else "",
        confidence="certain" if overflows else "",
    )


def saved_by_less(case: Case) -> int | None:
    """Bytes that a step of usual size would give back; None where the one that is set is no mistake."""
    memory, tokens = case.memory, case.number(FLAG)
    if memory is None or tokens is None or tokens <= ENOUGH:
        return None
    overflows = memory.failure is not None and memory.failure.kind == "activations"
    if memory.failure is not None and not overflows:
        return None
    smaller = memory_with(case, {FLAG: ENOUGH})
    if smaller is None or smaller.verdict != "yes":
        return None
    saved = memory.part("activations").bytes - smaller.part("activations").bytes
    return saved if overflows or saved >= MUCH * memory.total else None
