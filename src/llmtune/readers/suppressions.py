"""Comments that silence rules: ``# llmtune: ignore[rule, rule] reason``, ``ignore-file[...]`` for the whole file.

They are found in the raw text, so they mean the same in YAML, shell, Dockerfiles and units. A comment behind something
speaks for its line; alone on a line it speaks for the next one, and for all lines of a command that is continued there.
"""

from __future__ import annotations

import re
from itertools import islice
from typing import TYPE_CHECKING

from llmtune.spec.record import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterable

    from llmtune.readers.source import Source
    from llmtune.spec.finding import Finding
    from llmtune.spec.span import Span

MOST = 200  # comments of one file that are looked at
COMMENT = re.compile(r"(?P<start>#|//)\s*llmtune:\s*ignore(?P<file>-file)?\s*\[(?P<names>[^\]\n]*)\]")


@dataclass(frozen=True, slots=True)
class Suppression:
    """One rule that one comment silences on the lines ``first`` to ``last``."""

    rule: str
    span: Span
    first: int
    last: int

    def covers(self, finding: Finding) -> bool:
        """Whether a finding is silenced."""
        return finding.rule == self.rule and self.first <= finding.span.line <= self.last


def suppressions(source: Source) -> tuple[Suppression, ...]:
    """Every suppression in a text."""
    if "llmtune:" not in source.text:
        return ()
    found = []
    for match in islice(COMMENT.finditer(source.text), MOST):
        first, last = _lines(source, match)
        at = match.start("names")
        for part in match["names"].split(","):
            name = part.strip()
            start = at + part.find(name) if name else at
            if name:
                found.append(Suppression(name, source.span(start, start + len(name)), first, last))
            at += len(part) + 1
    return tuple(found)


def _lines(source: Source, match: re.Match[str]) -> tuple[int, int]:
    """The lines that a comment speaks for."""
    if match["file"]:
        return 1, len(source.starts)
    line = source.span(match.start(), match.start()).line
    if source.line(line)[: match.start() - source.starts[line - 1]].strip():
        return line, line
    first = line + 1
    while first < len(source.starts) and source.line(first).lstrip()[:1] in {"", "#"}:
        first += 1
    last = first
    while last < len(source.starts) and source.line(last).rstrip().endswith("\\"):
        last += 1
    return first, last


def suppress(
    findings: Iterable[Finding], known: tuple[Suppression, ...]
) -> tuple[list[Finding], list[Finding], list[Suppression]]:
    """Findings that stay, findings that are silenced, and suppressions that silenced nothing."""
    kept: list[Finding] = []
    silenced: list[Finding] = []
    used: set[int] = set()
    by_rule: dict[str, list[Suppression]] = {}
    for suppression in known:
        by_rule.setdefault(suppression.rule, []).append(suppression)
    for finding in findings:
        covering = [suppression for suppression in by_rule.get(finding.rule, ()) if suppression.covers(finding)]
        used |= set(map(id, covering))
        (silenced if covering else kept).append(finding)
    return kept, silenced, [suppression for suppression in known if id(suppression) not in used]
