"""`--quantization` names another method than the checkpoint has.

The checkpoint's config.json says how its weights are stored, and the engine reads it by itself. A flag that says
something else is refused: "Quantization method specified in the model config (awq) does not match the quantization
method specified in the `quantization` argument (fp8)". For `awq` or `gptq` on a checkpoint that is not quantised there
is nothing to load: "Cannot find the config file for awq" (vLLM 0.33.0, config/model.py, _verify_quantization).

Example:
    ```sh
    vllm serve Qwen/Qwen3-14B-AWQ --max-model-len 8192 --quantization fp8 --host 127.0.0.1
    ```

Use instead:
    ```sh
    vllm serve Qwen/Qwen3-14B-AWQ --max-model-len 8192 --host 127.0.0.1
    ```
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.calc.mending import without
from llmtune.calc.wording import stored_as

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llmtune.calc.case import Case
    from llmtune.spec.finding import Finding

SEVERITY = "error"
NEEDS = ("model",)
FLAG = "quantization"


def check(case: Case) -> Iterator[Finding]:
    """The engine's own comparison."""
    setting = case.setting(FLAG)
    if case.model is None or setting is None:
        return
    if case.refusal("matches", FLAG) is not None:
        message = f"the checkpoint is stored in {stored_as(case.model)}, not in {setting.value}"
    elif case.refusal("described", FLAG) is not None:
        message = f"the checkpoint is not quantised, so there is nothing for {setting.value} to load"
    else:
        return
    yield case.finding(
        message,
        setting,
        help="remove --quantization: the engine reads the method from the checkpoint",
        fix=without(setting),
    )
