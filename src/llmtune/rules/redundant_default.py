"""A setting repeats what the engine does by itself.

Prefix caching and chunked prefill are on since 0.8, and one GPU is what a server takes. Such flags come from guides
for older releases; they hide the settings that matter, and some vanish in a later release. Only settings are named
whose default is the same for this model and every GPU (vLLM 0.33.0, engine/arg_utils.py, _set_default_args). A value
that comes out of a variable is left alone: it is there to be set.

Example:
    ```sh
    vllm serve Qwen/Qwen3-8B --max-model-len 8192 --enable-prefix-caching --host 127.0.0.1
    ```

Use instead:
    ```sh
    vllm serve Qwen/Qwen3-8B --max-model-len 8192 --host 127.0.0.1
    ```
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.calc.mending import is_written_out, without
from llmtune.calc.releases import Trust, trust
from llmtune.calc.trials import default_switch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llmtune.calc.case import Case
    from llmtune.spec.deployment import Setting
    from llmtune.spec.finding import Finding

SEVERITY = "info"
SWITCHES = ("enable-prefix-caching", "enable-chunked-prefill")
ONES = ("tensor-parallel-size", "pipeline-parallel-size", "data-parallel-size")
CERTAIN, LIKELY = "certain", "likely"
OFF = ("enable-log-requests", "enforce-eager", "trust-remote-code", "disable-custom-all-reduce")


def check(case: Case) -> Iterator[Finding]:
    """Switches that are on anyway, sizes of one, and switches that are off anyway."""
    for setting in case.deployment.settings:
        if setting is not case.setting(setting.flag) or not setting.known:
            continue
        if not (known := _sure(case, setting)):
            continue
        written = setting.words[0].text.partition("=")[0] if setting.words else f"--{setting.flag}"
        if _was_removed(case, written.removeprefix("--")):
            continue  # a rule of its own says so
        yield case.finding(
            f"{written}{' 1' if setting.flag in ONES else ''} is what the engine does anyway",
            setting,
            help="remove it",
            fix=without(setting, safe=known == CERTAIN),
            confidence=known,
        )


def _sure(case: Case, setting: Setting) -> str:
    """How sure it is that the setting changes nothing; empty where it may."""
    if setting.flag in ONES:
        return CERTAIN if setting.value == 1 and is_written_out(setting) else ""
    level = trust(case)
    if setting.flag in SWITCHES and setting.value is True and default_switch(case, setting.flag) is True:
        return CERTAIN if case.model is not None and level is Trust.FULL else LIKELY
    if level in {Trust.NONE, Trust.HIDDEN}:
        return ""  # requests were logged before 0.10.1
    if setting.flag in OFF and setting.value is False and _is_off(case, setting.flag):
        return CERTAIN if level is Trust.FULL else LIKELY
    return ""


def _is_off(case: Case, flag: str) -> bool:
    option = case.engine.options.get(flag)
    return option is not None and option.default is False


def _was_removed(case: Case, name: str) -> bool:
    """Whether an option of this name went, and the release takes the name for the opposite of another one."""
    history = case.facts.history.flag_history(name)
    return name not in case.engine.options and history is not None and not history.of and bool(history.gone)
