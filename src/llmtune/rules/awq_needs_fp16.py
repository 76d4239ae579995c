"""The plain AWQ and GPTQ kernels compute in float16 only.

Where `--quantization awq` (before 0.24) or `gptq` (before 0.22) names the plain kernel, another dtype is refused:
"torch.bfloat16 is not supported for quantization method awq. Supported dtypes: [torch.float16]" (vLLM 0.16.0,
config/vllm.py, _get_quantization_config). Without the flag the engine takes the Marlin kernels, which compute in both.

Example:
    ```sh vllm-version=0.16.0
    vllm serve Qwen/Qwen2.5-7B-Instruct-AWQ --max-model-len 8192 --quantization awq --dtype bfloat16 --host 127.0.0.1
    ```

Use instead:
    ```sh vllm-version=0.16.0
    vllm serve Qwen/Qwen2.5-7B-Instruct-AWQ --max-model-len 8192 --dtype bfloat16 --host 127.0.0.1
    ```
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.calc.mending import set_to, without
from llmtune.calc.switches import words
from llmtune.calc.validity_quantization import HALF_ONLY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llmtune.calc.case import Case
    from llmtune.spec.finding import Finding

SEVERITY = "error"
FLAG = "quantization"
DTYPE = "dtype"


def check(case: Case) -> Iterator[Finding]:
    """The kernel by name and another dtype."""
    if wrong_dtype(case):
        stated = case.setting(DTYPE)
        yield case.finding(
            f"--quantization {case.settings.text(FLAG)} computes in float16 only",
            stated or case.setting(FLAG),
            help="remove --quantization, or set --dtype half",
            fix=set_to(stated, "half") if stated is not None else without(case.setting(FLAG)),
        )


def wrong_dtype(case: Case) -> bool:
    """Whether the engine refuses the dtype: as it is written, or as the model has it."""
    asked, dtype = case.settings.text(FLAG), case.settings.text(DTYPE)
    if asked not in HALF_ONLY or HALF_ONLY[asked] in words(case.engine, "quantization.methods"):
        return False
    if case.model is None:
        return dtype in {"bfloat16", "float32", "float"}
    return case.refusal("computes-in", FLAG, DTYPE) is not None
