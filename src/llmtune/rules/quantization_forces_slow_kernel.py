"""`--quantization awq` or `gptq` takes the slow kernel.

Before 0.24 (AWQ) and 0.22 (GPTQ) these names stood for the first kernels, which are several times slower than Marlin
on Ampere and later. Left to itself the engine takes Marlin; named, it obeys: "Detected that the model can run with
awq_marlin, however you specified quantization=awq explicitly, so forcing awq" (vLLM 0.16.0,
quantization/awq_marlin.py).

Example:
    ```sh vllm-version=0.16.0
    vllm serve Qwen/Qwen2.5-7B-Instruct-AWQ --max-model-len 8192 --quantization awq --host 127.0.0.1
    ```

Use instead:
    ```sh vllm-version=0.16.0
    vllm serve Qwen/Qwen2.5-7B-Instruct-AWQ --max-model-len 8192 --host 127.0.0.1
    ```
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.calc.mending import without
from llmtune.calc.runner import AMPERE
from llmtune.calc.switches import words
from llmtune.calc.validity_quantization import HALF_ONLY
from llmtune.rules.awq_needs_fp16 import wrong_dtype

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llmtune.calc.case import Case
    from llmtune.spec.finding import Finding

SEVERITY = "warning"
CONFIDENCE = "likely"
FLAG = "quantization"


def check(case: Case) -> Iterator[Finding]:
    """The plain name on a GPU that runs Marlin, in a release that has both kernels."""
    asked = case.settings.text(FLAG)
    faster, methods = f"{asked}_marlin", words(case.engine, "quantization.methods")
    if asked not in HALF_ONLY or HALF_ONLY[asked] in methods or faster not in methods:
        return
    if wrong_dtype(case) or case.refusal("matches", FLAG) or case.refusal("described", FLAG):
        return
    gpu = case.hardware.gpu if case.hardware is not None else None
    if gpu is not None and (gpu.compute_capability is None or gpu.compute_capability < AMPERE):
        return
    yield case.finding(
        f"--quantization {asked} takes the slow kernel instead of {faster}",
        case.setting(FLAG),
        help="remove it: the engine picks the fastest kernel by itself",
        fix=without(case.setting(FLAG)),
    )
