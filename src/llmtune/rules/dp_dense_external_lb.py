"""External load balancing of data parallel ranks is for expert models only.

Ranks of an expert model must step together, which is why each is told its number. Replicas of a dense model have
nothing in common, and since 0.21 the engine refuses: "Non-MoE models do not support external data parallel mode. For
external load balancing, launch independent vLLM instances without --data-parallel-* arguments" (vLLM 0.33.0,
engine/arg_utils.py, create_engine_config).

Example:
    ```sh
    vllm serve Qwen/Qwen3-8B --max-model-len 8192 --data-parallel-size 2 --data-parallel-rank 0 --host 127.0.0.1
    ```

Use instead:
    ```sh
    vllm serve Qwen/Qwen3-8B --max-model-len 8192 --host 127.0.0.1
    ```
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.calc import traits

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llmtune.calc.case import Case
    from llmtune.spec.finding import Finding

SEVERITY = "error"
SINCE = "0.21.0"
NEEDS = ("model",)


def check(case: Case) -> Iterator[Finding]:
    """A rank, or external balancing, for a model without experts."""
    size = case.number("data-parallel-size")
    rank = case.setting("data-parallel-rank")
    external = case.setting("data-parallel-external-lb")
    asked = rank or (external if case.is_on("data-parallel-external-lb") else None)
    if asked is None or size is None or size <= 1 or case.model is None or traits.is_moe(case.model):
        return
    yield case.finding(
        "a dense model takes no external data parallel ranks",
        asked,
        help="start independent servers without --data-parallel-* flags behind the load balancer",
    )
