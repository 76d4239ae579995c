"""bfloat16 on a GPU that does not have it.

GPUs before Ampere (V100, T4, RTX 20xx; compute capability below 8.0) compute in float16 only. Asked for bfloat16 the
engine stops: "Bfloat16 is only supported on GPUs with compute capability of at least 8.0" (vLLM 0.33.0,
platforms/cuda.py, check_if_supports_dtype). Left to itself it takes float16 since 0.9.0, and float32 for models that
float16 breaks, which is worth knowing: values beyond 65,504 overflow, and float32 takes twice the memory.

Example:
    ```sh gpu=t4
    vllm serve Qwen/Qwen3-4B --max-model-len 4096 --max-num-seqs 16 --dtype bfloat16 --host 127.0.0.1
    ```

Use instead:
    ```sh gpu=t4
    vllm serve Qwen/Qwen3-4B --max-model-len 4096 --max-num-seqs 16 --dtype half --host 127.0.0.1
    ```
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.calc.mending import set_to
from llmtune.calc.resolve import NO_FLOAT16
from llmtune.calc.runner import AMPERE
from llmtune.calc.switches import word

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llmtune.calc.case import Case
    from llmtune.spec.finding import Finding

SEVERITY = "error"
NEEDS = ("hardware",)
FLAG = "dtype"


def check(case: Case) -> Iterator[Finding]:
    """bfloat16 that is asked for, and what becomes of a bfloat16 model otherwise."""
    capability = case.hardware.gpu.compute_capability if case.hardware is not None else None
    if case.hardware is None or capability is None or capability >= AMPERE:
        return
    gpu, asked = f"{case.hardware.gpu.name} ({capability[0]}.{capability[1]})", case.settings.text(FLAG)
    unstable = case.model is not None and case.model.architecture in NO_FLOAT16
    if asked == "bfloat16":
        yield case.finding(
            f"{gpu} has no bfloat16",
            case.setting(FLAG),
            help=f"set --dtype {'float32' if unstable else 'half'}",
            fix=set_to(case.setting(FLAG), "float32" if unstable else "half"),
        )
        return
    falls_back = word(case.engine, "default.float32_becomes") == "bfloat16"  # both came with 0.9.0
    if asked not in {None, "auto"} or not case.in_sight(FLAG) or not falls_back or case.resolved is None:
        return
    if case.model is not None and case.model.dtype == "bfloat16":
        yield case.finding(
            f"a bfloat16 model runs in {case.resolved.dtype} on {gpu}",
            case.setting(FLAG) or case.model_word,
            help="set --dtype half to say so, and look at the answers"
            if not unstable
            else "take an Ampere GPU or later",
            severity="info",
        )
