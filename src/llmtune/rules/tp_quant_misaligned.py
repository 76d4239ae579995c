"""Quantised weights cannot be cut for this many GPUs.

Quantised layers have a scale for every group or block of 32 to 128 inputs. Tensor parallelism must not cut a group, so
a size that divides the layer may still be refused: "The input size is not aligned with the quantized weight shape.
This can be caused by too large tensor parallel size" (vLLM 0.33.0, model_executor/layers/quantization,
create_weights).

Example:
    ```sh
    vllm serve Qwen/Qwen2.5-14B-Instruct-AWQ --max-model-len 8192 --tensor-parallel-size 8 --host 127.0.0.1
    ```

Use instead:
    ```sh
    vllm serve Qwen/Qwen2.5-14B-Instruct-AWQ --max-model-len 8192 --tensor-parallel-size 4 --host 127.0.0.1
    ```
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from llmtune.calc.case import UNNAMED_GPU
from llmtune.calc.errors import Refused
from llmtune.calc.memory import SPLIT
from llmtune.calc.weights import weigh
from llmtune.calc.wording import stored_as

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llmtune.calc.case import Case
    from llmtune.spec.finding import Finding

SEVERITY = "error"
NEEDS = ("model",)
FLAG = "tensor-parallel-size"
SIZES = (FLAG, "data-parallel-size", "enable-expert-parallel", "quantization", "mm-encoder-tp-mode")
PLAIN = re.compile(r"AssertionError: \d+ is not divisible by \d+ \(")  # a dimension that no kernel asks about


def check(case: Case) -> Iterator[Finding]:
    """The engine's refusal while it creates weights, where one GPU would do."""
    refused = case.refusal(SPLIT, *SIZES)
    if not misaligned(case) or refused is None or case.outline is None or case.model is None:
        return
    fitting = max(size for size in range(1, case.outline.tensor_parallel) if _splits(case, size))
    yield case.finding(
        f"{stored_as(case.model)} weights cannot be cut for {case.outline.tensor_parallel} GPUs",
        case.setting(FLAG),
        note=refused.engine_message.split(". ")[0].rstrip("."),
        help=f"use --tensor-parallel-size {fitting}, or a checkpoint that is padded or quantised in other groups",
    )


def misaligned(case: Case) -> bool:
    """Whether the size of the split is why quantised weights are refused."""
    refused = case.refusal(SPLIT, *SIZES)
    if refused is None or case.model is None or case.model.quantization is None or case.outline is None:
        return False
    return case.outline.tensor_parallel > 1 and not PLAIN.match(refused.engine_message) and _splits(case, 1)


def _splits(case: Case, size: int) -> bool:
    if case.model is None or case.outline is None or case.model.heads % size:
        return False
    gpu = case.hardware.gpu if case.hardware is not None else UNNAMED_GPU
    try:
        weigh(case.model, replace(case.outline, tensor_parallel=size), gpu)
    except Refused:
        return False
    return True
