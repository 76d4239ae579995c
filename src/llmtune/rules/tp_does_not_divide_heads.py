"""The attention heads cannot be split over this many GPUs.

Tensor parallelism gives every GPU the same number of attention heads. Where the heads do not divide, the engine stops:
"Total number of attention heads (28) must be divisible by tensor parallel size (3)" (vLLM 0.33.0, config/model.py,
verify_with_parallel_config). What is left over of a machine can serve as replicas (`--data-parallel-size`) or as
stages (`--pipeline-parallel-size`).

Example:
    ```sh
    vllm serve Qwen/Qwen2.5-7B-Instruct --max-model-len 8192 --tensor-parallel-size 3 --host 127.0.0.1
    ```

Use instead:
    ```sh
    vllm serve Qwen/Qwen2.5-7B-Instruct --max-model-len 8192 --tensor-parallel-size 4 --host 127.0.0.1
    ```
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.calc import traits
from llmtune.calc.devices import given
from llmtune.calc.wording import count, listed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llmtune.calc.case import Case
    from llmtune.spec.finding import Finding
    from llmtune.spec.model import Model

SEVERITY = "error"
NEEDS = ("model",)
FLAG = "tensor-parallel-size"
MOST = 16  # GPUs of the largest node


def check(case: Case) -> Iterator[Finding]:
    """The engine's own check of heads."""
    refused = case.refusal("heads-split", FLAG)
    if refused is None or case.model is None or case.outline is None:
        return
    size, fitting = case.outline.tensor_parallel, sizes_that_split(case.model)
    yield case.finding(
        f"{case.model.heads} attention heads cannot be split over {count(size, 'GPU')}",
        case.setting(FLAG),
        help=_ways_out(case, size, fitting),
    )


def sizes_that_split(model: Model) -> tuple[int, ...]:
    """Tensor parallel sizes up to a node's GPUs that divide the heads, and divide or copy the KV heads."""
    copied = traits.uses_latents(model) or not model.kv_heads
    return tuple(
        size
        for size in range(1, MOST + 1)
        if model.heads % size == 0 and (copied or max(size, model.kv_heads) % min(size, model.kv_heads) == 0)
    )


def _ways_out(case: Case, size: int, fitting: tuple[int, ...]) -> str:
    there = given(case)
    gpus = case.hardware.gpus_per_node if case.hardware is not None else there.count if there is not None else size
    within = [each for each in fitting if each <= gpus] or [1]
    best = max((each for each in within if gpus % each == 0), default=1)
    help_ = f"use --tensor-parallel-size {listed(within, 'or')}"
    if 1 < best < gpus and gpus // best > 1:
        help_ += f"; {gpus} GPUs: --tensor-parallel-size {best} --data-parallel-size {gpus // best}"
    return help_
