"""`VLLM_ALLOW_LONG_MAX_MODEL_LEN` switches off the check of the context length.

With it the engine starts with a `--max-model-len` beyond what the model was trained for. Models with rotary embeddings
then answer with NaN or nonsense, and those with learnt positions end in a CUDA error (vLLM 0.33.0, config/model.py,
_get_and_verify_max_len). Where the length lies within the model's context, the variable has no effect but to hide the
next mistake.

Example:
    ```sh
    VLLM_ALLOW_LONG_MAX_MODEL_LEN=1 vllm serve Qwen/Qwen2.5-7B-Instruct --max-model-len 32768 --host 127.0.0.1
    ```

Use instead:
    ```sh
    vllm serve Qwen/Qwen2.5-7B-Instruct --max-model-len 32768 --host 127.0.0.1
    ```
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.calc.mending import is_written_out, without_word
from llmtune.calc.resolve import length_limit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llmtune.calc.case import Case
    from llmtune.spec.finding import Finding

SEVERITY = "warning"
SINCE = "0.5.4"
NAME = "VLLM_ALLOW_LONG_MAX_MODEL_LEN"
FLAG = "max-model-len"


def check(case: Case) -> Iterator[Finding]:
    """The variable, and whether it is needed at all by one of the servers that it is set for."""
    variable = case.variable(NAME)
    if variable is None or case.settings.variable(NAME) is not True:
        return
    length, limit = case.number(FLAG), limit_of(case)
    if is_idle(case):
        setting = case.setting(FLAG)
        sure = setting is None or is_written_out(setting)  # another length may be set from outside
        if all(is_idle(other) for other in case.neighbours if other.variable(NAME) == variable):
            yield case.finding(
                f"{NAME} is not needed: the model's context is long enough",
                variable,
                note=f"{int(length or limit or 0)} of {limit} tokens",
                help="remove it",
                fix=without_word(variable.word, f"remove {NAME}", safe=sure),
                confidence="" if sure else "likely",
            )
        return
    beyond = f"{int(length)} tokens are asked for, the model has {limit}" if limit and length else ""
    yield case.finding(
        f"{NAME} lets the context grow beyond what the model was trained for",
        variable,
        note=beyond,
        help="remove it, and scale the rotary embedding with --hf-overrides where the model is made for it",
    )


def limit_of(case: Case) -> int | None:
    """The model's own context."""
    return length_limit(case.settings, case.model, case.engine) if case.model is not None else None


def is_idle(case: Case) -> bool:
    """Whether the length surely lies within the model's context."""
    limit, length = limit_of(case), case.number(FLAG)
    return bool(limit) and case.in_sight(FLAG) and not case.open_ended and (length is None or length <= (limit or 0))
