"""``lint --format github``: workflow commands, which GitHub Actions shows beside the lines of a change.

The grammar and its escapes: https://docs.github.com/actions/reference/workflows-and-actions/workflow-commands
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from llmtune.reports.text import Paper
    from llmtune.spec.finding import Finding
    from llmtune.spec.lint import LintResult
    from llmtune.spec.rule import Rule

LEVELS = {"error": "error", "warning": "warning", "info": "notice"}


def render(result: LintResult, _: Mapping[str, Rule], __: Paper) -> str:
    """One command a finding."""
    return "".join(f"{_command(finding)}\n" for finding in result.findings)


def _command(finding: Finding) -> str:
    span = finding.span
    place = {"file": span.file, "line": span.line, "endLine": span.end_line}
    if span.line == span.end_line:  # GitHub takes columns only within one line
        place |= {"col": span.column, "endColumn": max(span.column, span.end_column - 1)}
    place["title"] = f"llmtune {finding.rule}"
    properties = ",".join(f"{key}={_escape_property(str(value))}" for key, value in place.items())
    text = "\n".join(filter(None, (finding.message, finding.note, finding.help)))
    return f"::{LEVELS[finding.severity]} {properties}::{_escape(text)}"


def _escape(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _escape_property(text: str) -> str:
    return _escape(text).replace(":", "%3A").replace(",", "%2C")
