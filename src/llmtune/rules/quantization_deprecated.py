"""The quantisation method is on its way out and must be asked for.

Since 0.14.0 vLLM refuses methods that a later release will drop, unless `--allow-deprecated-quantization` says that
this is known: "The quantization method fbgemm_fp8 is deprecated and will be removed in future versions of vLLM" (vLLM
0.33.0, config/model.py, _verify_quantization). Better serve a checkpoint in a format that stays.

Example:
    ```sh vllm-version=0.33.0
    vllm serve Qwen/Qwen3-8B --max-model-len 8192 --quantization fp_quant --host 127.0.0.1
    ```

Use instead:
    ```sh vllm-version=0.33.0
    vllm serve Qwen/Qwen3-8B-FP8 --max-model-len 8192 --host 127.0.0.1
    ```
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.calc.switches import words

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llmtune.calc.case import Case
    from llmtune.spec.finding import Finding

SEVERITY = "error"
NEEDS = ("arguments",)
FLAG = "quantization"
ALLOW = "allow-deprecated-quantization"


def check(case: Case) -> Iterator[Finding]:
    """The flag, or the checkpoint itself."""
    asked = case.settings.text(FLAG)
    named = asked in words(case.engine, "quantization.deprecated") and not case.is_on(ALLOW)
    if not case.in_sight(FLAG, ALLOW) or not (named or case.refusal("not-deprecated") is not None):
        return
    method = asked or (case.model.quantization if case.model is not None else "")
    yield case.finding(
        f"{method} is deprecated, and vLLM {case.release} refuses it unless it is allowed",
        case.setting(FLAG) or case.model_word,
        help="serve a checkpoint in another format, or add --allow-deprecated-quantization",
        severity="" if case.release_known else "warning",
        confidence="" if case.release_known else "likely",
    )
