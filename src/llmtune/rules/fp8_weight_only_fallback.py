"""FP8 weights are only stored in 8 bit here, not computed with.

GPUs before Ada (compute capability below 8.9) have no FP8 arithmetic. vLLM then unpacks the weights to 16 bit in the
Marlin kernel: memory is saved, and decoding gains from it, but prefill is no faster than in 16 bit (vLLM 0.33.0,
model_executor/layers/quantization/utils/marlin_utils_fp8.py). INT8 checkpoints (w8a8) compute in 8 bit on Ampere.

Example:
    ```sh gpu=a100-sxm-40gb
    vllm serve Qwen/Qwen3-8B-FP8 --max-model-len 8192 --host 127.0.0.1
    ```

Use instead:
    ```sh gpu=l40s
    vllm serve Qwen/Qwen3-8B-FP8 --max-model-len 8192 --host 127.0.0.1
    ```
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.calc.attention_rules import ADA
from llmtune.spec.weights import Linear

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llmtune.calc.case import Case
    from llmtune.spec.finding import Finding

SEVERITY = "info"
NEEDS = ("model", "hardware")


def check(case: Case) -> Iterator[Finding]:
    """Linear layers in FP8 on a GPU without it, if the GPU may load them at all."""
    if case.model is None or case.hardware is None or case.refusals:
        return
    capability = case.hardware.gpu.compute_capability
    if capability is None or capability >= ADA:
        return
    layers = (module for group in case.model.groups for module in group.modules if isinstance(module, Linear))
    if any(module.format.name.startswith("fp8") for module in layers):
        yield case.finding(
            f"{case.hardware.gpu.name} has no FP8 arithmetic: weights are unpacked to 16 bit",
            case.setting("quantization") or case.model_word,
            help="an INT8 (w8a8) checkpoint computes in 8 bit here",
        )
