"""Expert parallelism that the model's experts do not allow.

`--enable-expert-parallel` spreads whole experts over the GPUs, so a dense model has nothing to spread: "Number of
experts in the model must be greater than 0 when expert parallelism is enabled" (vLLM 0.33.0, config/model.py). With
`--enable-eplb` every rank holds equally many experts, redundant ones included (model_executor/layers/fused_moe).

Example:
    ```sh
    vllm serve Qwen/Qwen3-8B --max-model-len 8192 -tp 2 --enable-expert-parallel --host 127.0.0.1
    ```

Use instead:
    ```sh
    vllm serve Qwen/Qwen3-30B-A3B --max-model-len 8192 -tp 2 --enable-expert-parallel --host 127.0.0.1
    ```
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.calc.mending import without

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llmtune.calc.case import Case
    from llmtune.spec.finding import Finding

SEVERITY = "error"
NEEDS = ("model",)
FLAG = "enable-expert-parallel"
SIZES = ("tensor-parallel-size", "data-parallel-size", "enable-eplb", "eplb-config")


def check(case: Case) -> Iterator[Finding]:
    """No experts, or experts that EPLB cannot spread evenly."""
    if case.refusal("experts-to-share", FLAG) is not None:
        yield case.finding(
            "a dense model has no experts to spread",
            case.setting(FLAG),
            help="remove --enable-expert-parallel",
            fix=without(case.setting(FLAG)),
        )
    uneven = case.refusal("even-experts", FLAG, *SIZES)
    if uneven is not None:
        yield case.finding(
            "the experts do not spread evenly over the ranks",
            case.setting("enable-eplb"),
            note=uneven.engine_message.split(". ")[-1].rstrip("."),
            help="choose num_redundant_experts in --eplb-config so that the sum divides",
        )
