"""Edits to a text: everything outside of the edited places stays as it is, byte by byte."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from llmtune.readers.source import Source
    from llmtune.spec.finding import Finding


def apply_fixes(source: Source, findings: Iterable[Finding], *, unsafe: bool) -> tuple[str, list[Finding]]:
    """The text with every fix that does not overlap an earlier one, and the findings that were fixed.

    Fixes that edit the same place, or places inside each other, are applied one at a time: the caller lints again.
    """
    taken: list[tuple[int, int]] = []
    edits: list[tuple[int, int, str]] = []
    fixed = []
    for finding in findings:
        if finding.fix is None or not (finding.fix.safe or unsafe):
            continue
        wanted = sorted({(*source.range(edit.span), edit.text) for edit in finding.fix.edits})
        if any(edit.span.file != source.name for edit in finding.fix.edits) or _overlap(wanted, taken):
            continue
        taken += [(start, end) for start, end, _ in wanted]
        edits += wanted
        fixed.append(finding)
    return _edited(source.text, edits), fixed


def _overlap(wanted: list[tuple[int, int, str]], taken: list[tuple[int, int]]) -> bool:
    own = [(start, end) for start, end, _ in wanted]
    inside = any(end > start for (_, end), (start, _) in pairwise(own))
    return inside or any(start <= last and first <= end for start, end in own for first, last in taken)


def _edited(text: str, edits: list[tuple[int, int, str]]) -> str:
    pieces, at = [], 0
    for start, end, replacement in sorted(edits):
        pieces += [text[at:start], replacement]
        at = end
    return "".join([*pieces, text[at:]])
