"""More GPUs than KV heads: each KV head is kept several times.

With grouped-query attention the KV cache is split by KV heads. Beyond that number every GPU holds a copy of a head, so
further GPUs take weights off each other but add less KV cache than they have. Replicas (`--data-parallel-size`) or
decode context parallelism (`--decode-context-parallel-size`) use the memory better. It is an error where the size
neither divides the KV heads nor is a multiple of them (vLLM 0.33.0, model_executor/layers/linear.py,
QKVParallelLinear).

Example:
    ```sh
    vllm serve Qwen/Qwen3-30B-A3B --max-model-len 8192 --tensor-parallel-size 8 --host 127.0.0.1
    ```

Use instead:
    ```sh
    vllm serve Qwen/Qwen3-30B-A3B --max-model-len 8192 --tensor-parallel-size 4 --data-parallel-size 2 --host 127.0.0.1
    ```
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.calc import traits
from llmtune.calc.container import on_other_chips

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llmtune.calc.case import Case
    from llmtune.spec.finding import Finding

SEVERITY = "info"
NEEDS = ("model",)
FLAG = "tensor-parallel-size"
SPREAD = "decode-context-parallel-size"


def check(case: Case) -> Iterator[Finding]:
    """Copies of KV heads; sizes that do not divide the query heads are another rule's."""
    model, resolved = case.model, case.outline
    if model is None or resolved is None or not case.in_sight(FLAG, SPREAD) or "heads-split" in case.refusals:
        return
    size, heads = resolved.tensor_parallel, model.kv_heads
    if case.refusal("kv-heads-split", FLAG) is not None:
        yield case.finding(
            f"{heads} KV heads can neither be split over {size} GPUs nor be copied evenly",
            case.setting(FLAG),
            help=f"use a size that divides {heads}, or a multiple of it",
            severity="error",
        )
        return
    if not heads or size <= heads or resolved.decode_context_parallel > 1 or traits.uses_latents(model):
        return
    if on_other_chips(case):
        return
    copies = size // heads
    yield case.finding(
        f"{heads} KV heads on {size} GPUs: each is kept {copies} times",
        case.setting(FLAG),
        note="the KV cache grows with the number of KV heads, not of GPUs",
        help=f"--tensor-parallel-size {heads} with --data-parallel-size {copies} holds more, if the weights fit",
    )
