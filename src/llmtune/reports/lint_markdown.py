"""``lint --format markdown``: a table for a job summary or a comment on a change."""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.reports.lint_text import closing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from llmtune.reports.text import Paper
    from llmtune.spec.finding import Finding
    from llmtune.spec.lint import LintResult
    from llmtune.spec.rule import Rule


def render(result: LintResult, _: Mapping[str, Rule], __: Paper) -> str:
    """The table, and a line that sums up."""
    lines = ["### llmtune lint", ""]
    if result.findings:
        lines += ["| where | severity | rule | what |", "|---|---|---|---|", *map(_row, result.findings), ""]
    return "\n".join([*lines, f"{closing(result)}.", ""])


def _row(finding: Finding) -> str:
    place = f"{finding.span.file}:{finding.span.line}"
    what = "; ".join(filter(None, (finding.message, finding.note, finding.help)))
    return f"| `{_cell(place)}` | {finding.severity} | `{finding.rule}` | {_cell(what)} |"


def _cell(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;")
    return " ".join(escaped.split())
