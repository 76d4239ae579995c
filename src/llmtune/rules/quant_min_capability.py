"""The GPU is too old for the checkpoint's quantisation.

Every method names the lowest compute capability that its kernels run on: AWQ and FP8 7.5, compressed-tensors 7.0,
MXFP4 and ModelOpt 8.0, FP-Quant 10.0. Below it the engine stops: "The quantization method awq is not supported for the
current GPU. Minimum capability: 75" (vLLM 0.33.0, config/vllm.py, _get_quantization_config).

Example:
    ```sh gpu=v100-sxm2-32gb
    vllm serve Qwen/Qwen2.5-7B-Instruct-AWQ --max-model-len 8192 --max-num-seqs 16 --dtype half --host 127.0.0.1
    ```

Use instead:
    ```sh gpu=v100-sxm2-32gb
    vllm serve Qwen/Qwen2.5-7B-Instruct --max-model-len 8192 --max-num-seqs 16 --dtype half --host 127.0.0.1
    ```
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llmtune.calc.case import Case
    from llmtune.spec.finding import Finding

SEVERITY = "error"
NEEDS = ("model", "hardware")
FLAG = "quantization"


def check(case: Case) -> Iterator[Finding]:
    """The engine's own check of capabilities."""
    refused = case.refusal("capable", FLAG)
    if refused is None or case.hardware is None or case.outline is None:
        return
    yield case.finding(
        f"{case.hardware.gpu.name} is too old for {(case.outline.quantization or '').removeprefix('auto_')}",
        case.setting(FLAG) or case.model_word,
        note=refused.engine_message.partition("GPU. ")[2].rstrip("."),
        help="serve a checkpoint in another format, or take a newer GPU",
    )
