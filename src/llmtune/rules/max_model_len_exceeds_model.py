"""`--max-model-len` is longer than the model's context.

The engine compares it with what config.json says and stops: "User-specified max_model_len (131072) is greater than the
derived max_model_len" (vLLM 0.33.0, config/model.py, _get_and_verify_max_len). `VLLM_ALLOW_LONG_MAX_MODEL_LEN=1` lets
it start, and positions beyond the trained length give nonsense or a CUDA error. A longer context needs rotary scaling
that the model was made for, through `--hf-overrides`.

Example:
    ```sh
    vllm serve Qwen/Qwen2.5-7B-Instruct --max-model-len 131072 --host 127.0.0.1
    ```

Use instead:
    ```sh
    vllm serve Qwen/Qwen2.5-7B-Instruct --max-model-len 32768 --host 127.0.0.1
    ```
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.calc.mending import set_to
from llmtune.calc.resolve import length_limit
from llmtune.spec.word import is_unknown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llmtune.calc.case import Case
    from llmtune.spec.finding import Finding

SEVERITY = "error"
NEEDS = ("model",)
FLAG = "max-model-len"


def check(case: Case) -> Iterator[Finding]:
    """The engine's own check of lengths."""
    refused = case.refusal("allowed-length", FLAG, "hf-overrides", "rope-scaling", "rope-theta")
    variable = case.variable("VLLM_ALLOW_LONG_MAX_MODEL_LEN")
    if refused is None or case.model is None or (variable is not None and is_unknown(variable.value)):
        return
    setting = case.setting(FLAG)
    limit = length_limit(case.settings, case.model, case.engine)
    yield case.finding(
        f"--max-model-len {case.deployment.value(FLAG)} is longer than the model's context",
        setting,
        note=f"{case.model.id} has {limit} tokens",
        help=f"lower it to {limit}, or scale the rotary embedding with --hf-overrides where the model is made for it",
        fix=set_to(setting, limit),
    )
