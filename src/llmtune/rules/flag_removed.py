"""A flag of an earlier release is gone, so the server does not start.

vLLM drops options at the end of their life, and the parser refuses them from then on: "unrecognized arguments". What
to do instead stands in the finding: many did nothing any more and can be deleted, some have a new name. Without a
release in the file, the newest one known is meant.

Example:
    ```sh vllm-version=0.20.0
    vllm serve Qwen/Qwen3-8B --swap-space 4 --max-model-len 8192 --host 127.0.0.1
    ```

Use instead:
    ```sh vllm-version=0.20.0
    vllm serve Qwen/Qwen3-8B --max-model-len 8192 --host 127.0.0.1
    ```
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.calc.mending import without_words
from llmtune.calc.releases import Trust, about, confidence, gone, notices, trust
from llmtune.spec.finding import Fix

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llmtune.calc.case import Case
    from llmtune.spec.finding import Finding, Notice
    from llmtune.spec.history import Replacement

SEVERITY = "error"
# What the parser says of a removed flag: nothing known, several that begin so, or one that does.
NAMES = ("unknown-flag", "ambiguous-abbreviation", "abbreviated-flag")


def check(case: Case) -> Iterator[Finding]:
    """Flags that the option table lacks and an earlier one has."""
    if trust(case) in {Trust.NONE, Trust.HIDDEN}:
        return
    for notice in notices(case, *NAMES):
        found = gone(case, notice)
        if found is None:
            continue
        advice = case.facts.history.replacement(found.name)
        yield case.finding(
            f"{notice.flag} was removed in vLLM {found.history.gone}",
            notice.words[0] if notice.words else notice.span,
            note=about(case, "refuses it"),
            help=advice.advice if advice else "delete it",
            fix=mended(case, notice, advice),
            confidence=confidence(case),
        )


def mended(case: Case, notice: Notice, advice: Replacement | None) -> Fix | None:
    """Rename the flag, or take it out with its values, where that is right and the file's form allows it."""
    if advice is None or not notice.words:
        return None
    if advice.rename and advice.rename.partition(".")[0] in case.engine.options:
        edit = notice.words[0].edit(0, len(notice.flag), f"--{advice.rename}")
        return Fix(f"write --{advice.rename}", (edit,), safe=True) if edit else None
    if advice.values:
        return _reworded(notice, advice)
    return without_words(notice.words, f"delete {notice.flag}", safe=True) if advice.delete else None


def _reworded(notice: Notice, advice: Replacement) -> Fix | None:
    """Another flag with the value that means the same: ``--task embed`` to ``--convert embed``."""
    first, last = notice.words[0], notice.words[-1]
    joined = len(notice.words) == 1
    start = len(notice.flag) + 1 if joined else 0
    meant = advice.values.get(last.text[start:])
    if meant is None or len(notice.words) > 2:  # noqa: PLR2004 - the flag and its value
        return None
    flag, value = meant
    edits = [first.edit(0, len(notice.flag), f"--{flag}")]
    if last.text[start:] != value:
        edits.append(last.edit(start, len(last.text), value))
    done = tuple(edit for edit in edits if edit is not None)
    return Fix(f"write --{flag} {value}", done, safe=True) if len(done) == len(edits) else None
