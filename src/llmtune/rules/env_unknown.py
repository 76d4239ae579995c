"""A variable is named like vLLM's and is none of them.

Every name that begins with `VLLM_` is vLLM's own, and a misspelt one changes nothing: the server logs "Unknown vLLM
environment variable detected" and goes on, or stops with `--fail-on-environ-validation` (vLLM 0.33.0,
platforms/interface.py, validate_environ). Settings of the engine have no variable: they are flags. Variables that the
file itself or a script of one's own uses, that Kubernetes makes for services, or that a plug-in reads are left alone;
so are images that others built, which may read more.

Example:
    ```sh vllm-version=0.33.0
    export VLLM_LOGING_LEVEL=DEBUG
    vllm serve Qwen/Qwen3-8B --max-model-len 8192 --host 127.0.0.1
    ```

Use instead:
    ```sh vllm-version=0.33.0
    export VLLM_LOGGING_LEVEL=DEBUG
    vllm serve Qwen/Qwen3-8B --max-model-len 8192 --host 127.0.0.1
    ```
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.calc.releases import Trust, trust, unfinished
from llmtune.calc.variables import has_own_script, is_used, set_for_vllm
from llmtune.spec.finding import Fix

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llmtune.calc.case import Case
    from llmtune.spec.finding import Finding
    from llmtune.spec.server import Variable

SEVERITY = "warning"
CONFIDENCE = "likely"


def check(case: Case) -> Iterator[Finding]:
    """Variables of vLLM's prefix that no release up to this one reads."""
    if trust(case) in {Trust.NONE, Trust.BUILD, Trust.HIDDEN} or has_own_script(case):
        return
    history = case.facts.history
    for variable in set_for_vllm(case):
        if is_used(case, variable) or history.variable_plugin(variable.name):
            continue
        known = history.variable_history(variable.name)
        if known is None:
            flag = variable.name.removeprefix("VLLM_").lower().replace("_", "-")
            close = None if flag in case.engine.options else history.closest_variable(variable.name, case.engine)
            advice = f"did you mean {close}?" if close else "delete it, or give it a name of your own"
            if flag in case.engine.options:
                advice = f"vLLM takes it as a flag: --{flag}"
            yield case.finding(
                f"no release of vLLM reads {variable.name}",
                variable,
                help=advice,
                fix=renamed(variable, close) if close else None,
            )
        elif case.release_known and not unfinished(case) and not history.within(case.engine, known.first, None):
            message = f"{variable.name} is read since vLLM {known.first}; {case.release} runs here"
            yield case.finding(message, variable, help=f"take vLLM {known.first} or newer, or delete it")


def renamed(variable: Variable, close: str) -> Fix | None:
    """The variable under the name that was meant, where the file has it in these very characters."""
    at = variable.word.text.find(variable.name)
    edit = variable.word.edit(at, at + len(variable.name), close) if at >= 0 else None
    return Fix(f"write {close}", (edit,), safe=False) if edit else None
