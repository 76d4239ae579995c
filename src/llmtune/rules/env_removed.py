"""A variable is set that vLLM no longer reads.

Nothing fails, and nothing happens: what the variable was to turn on or off is as if it were not there. Older releases
say nothing; newer ones log "Unknown vLLM environment variable detected", which is easy to miss, and
`--fail-on-environ-validation` makes it an error (vLLM 0.33.0, platforms/interface.py, validate_environ; issue 50292).

Example:
    ```sh vllm-version=0.20.0
    export VLLM_ATTENTION_BACKEND=FLASHINFER
    vllm serve Qwen/Qwen3-8B --max-model-len 8192 --host 127.0.0.1
    ```

Use instead:
    ```sh vllm-version=0.20.0
    vllm serve Qwen/Qwen3-8B --max-model-len 8192 --host 127.0.0.1 --attention-backend FLASHINFER
    ```
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.calc.mending import without_word
from llmtune.calc.releases import Trust, about, confidence, trust
from llmtune.calc.variables import set_for_vllm

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llmtune.calc.case import Case
    from llmtune.spec.finding import Finding

SEVERITY = "warning"


def check(case: Case) -> Iterator[Finding]:
    """Variables that an earlier release reads and this one does not."""
    if trust(case) in {Trust.NONE, Trust.HIDDEN}:
        return
    for variable in set_for_vllm(case):
        history = case.facts.history.variable_history(variable.name)
        if history is None or history.gone is None or case.facts.history.within(case.engine, None, history.last):
            continue
        advice = case.facts.history.variable_advice(variable.name) or "delete it"
        yield case.finding(
            f"{variable.name} is read by no vLLM since {history.gone}",
            variable,
            note=about(case, "ignores it"),
            help=advice,
            fix=without_word(variable.word, f"delete {variable.name}") if advice.startswith("delete it") else None,
            confidence=confidence(case),
        )
