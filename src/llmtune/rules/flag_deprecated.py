"""A flag still works and is going to be removed.

vLLM marks options as deprecated some releases before it drops them, in the parser or in the option's help text. The
release in which it says that it will drop one is a plan: some stayed longer.

Example:
    ```sh vllm-version=0.16.0
    vllm serve Qwen/Qwen3-8B --disable-log-requests --max-model-len 8192 --host 127.0.0.1
    ```

Use instead:
    ```sh vllm-version=0.16.0
    vllm serve Qwen/Qwen3-8B --max-model-len 8192 --host 127.0.0.1
    ```
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.calc.mending import without
from llmtune.calc.releases import Trust, confidence, trust

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llmtune.calc.case import Case
    from llmtune.spec.deployment import Setting
    from llmtune.spec.finding import Finding

SEVERITY = "warning"


def check(case: Case) -> Iterator[Finding]:
    """Settings whose option is marked in the release's table, and names that most releases after them refuse."""
    level = trust(case)
    if level in {Trust.NONE, Trust.HIDDEN}:
        return
    seen: set[str] = set()
    for setting in case.deployment.settings:
        option = case.engine.options.get(setting.flag)
        if option is not None and option.deprecated and setting.flag not in seen:
            seen.add(setting.flag)
            yield deprecated(case, setting)
        elif level is Trust.ASSUMED:
            yield from taken_again(case, setting)


def deprecated(case: Case, setting: Setting) -> Finding:
    """An option that the release marks."""
    advice = case.facts.history.replacement(setting.flag)
    history = case.facts.history.flag_history(setting.flag)
    if history is not None and history.gone:
        fate = f"vLLM {history.gone} removed it"
    elif advice is not None and advice.removed_in:
        fate = f"vLLM plans to remove it in {advice.removed_in}"
    else:
        fate = "vLLM plans to remove it"
    return case.finding(
        f"--{setting.flag} is deprecated in vLLM {case.release}",
        setting.words[0] if setting.words else setting,
        note=fate,
        help=advice.advice if advice else "",
        fix=without(setting, safe=True) if advice and advice.delete else None,
        confidence=confidence(case),
    )


def taken_again(case: Case, setting: Setting) -> Iterator[Finding]:
    """A name of an option that went, and that the newest release takes as the opposite of another one."""
    written = setting.words[0].text.partition("=")[0].removeprefix("--") if setting.words else ""
    if not written or written in case.engine.options:
        return
    history = case.facts.history.flag_history(written)
    if history is None or history.of or not history.gone:
        return
    advice = case.facts.history.replacement(written)
    yield case.finding(
        f"--{written} was removed in vLLM {history.gone}; {case.release} takes it for the opposite of another flag",
        setting.words[0],
        note="no release is named here",
        help=advice.advice if advice else "",
        fix=without(setting, safe=True) if advice and advice.delete else None,
        confidence="likely",
    )
