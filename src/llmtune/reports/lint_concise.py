"""``lint --format concise``: one line a finding, as compilers write them."""

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
    """The lines, and one that sums up."""
    return "\n".join([*map(line, result.findings), closing(result), ""])


def line(finding: Finding) -> str:
    """One finding in one line."""
    span = finding.span
    note = f" ({finding.note})" if finding.note else ""
    return f"{span.file}:{span.line}:{span.column}: {finding.severity}[{finding.rule}] {finding.message}{note}"
