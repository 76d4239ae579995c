"""float16 overflows in this model.

Activations of Gemma 2, Gemma 3 and GLM-4 exceed what float16 can hold. Since 0.9.1 the engine refuses: "The model type
'gemma3' does not support float16. Reason: Numerical instability" (vLLM 0.33.0, config/model.py,
_FLOAT16_NOT_SUPPORTED_MODELS).

Example:
    ```sh
    vllm serve google/gemma-3-12b-it --max-model-len 8192 --dtype half --host 127.0.0.1
    ```

Use instead:
    ```sh
    vllm serve google/gemma-3-12b-it --max-model-len 8192 --dtype bfloat16 --host 127.0.0.1
    ```
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.calc.mending import set_to
from llmtune.calc.runner import AMPERE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llmtune.calc.case import Case
    from llmtune.spec.finding import Finding

SEVERITY = "error"
NEEDS = ("model",)
FLAG = "dtype"


def check(case: Case) -> Iterator[Finding]:
    """The engine's own check of what is asked for; left to itself it takes another type."""
    if case.refusal("stable-dtype", FLAG) is None:
        return
    capability = case.hardware.gpu.compute_capability if case.hardware is not None else None
    other = "float32" if capability is not None and capability < AMPERE else "bfloat16"
    yield case.finding(
        "float16 overflows in this model",
        case.setting(FLAG),
        help=f"set --dtype {other}",
        fix=set_to(case.setting(FLAG), other),
    )
