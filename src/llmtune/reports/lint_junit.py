"""``lint --format junit``: XML that every CI server shows as tests: a suite a file, a case a rule that spoke."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape, quoteattr

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from llmtune.reports.text import Paper
    from llmtune.spec.finding import Finding
    from llmtune.spec.lint import CheckedFile, LintResult
    from llmtune.spec.rule import Rule

FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # in XML 1.0


def render(result: LintResult, _: Mapping[str, Rule], __: Paper) -> str:
    """The document."""
    failures = len(result.findings)
    cases = sum(max(1, len(file.findings)) for file in result.checked)
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f'<testsuites name="llmtune lint" tests="{cases}" failures="{failures}" errors="0">',
        *(line for file in result.checked for line in _suite(file)),
        "</testsuites>",
    ]
    return FORBIDDEN.sub("\ufffd", "\n".join(lines) + "\n")


def _suite(file: CheckedFile) -> Iterator[str]:
    name = quoteattr(file.path)
    count = len(file.findings)
    yield f'  <testsuite name={name} tests="{max(1, count)}" failures="{count}" errors="0" skipped="0">'
    if not count:
        yield f'    <testcase classname={name} name="llmtune lint"/>'
    for finding in file.findings:
        yield from _case(name, finding)
    yield "  </testsuite>"


def _case(name: str, finding: Finding) -> Iterator[str]:
    where = f"{finding.span.file}:{finding.span.line}:{finding.span.column}"
    text = "\n".join(filter(None, (where, finding.message, finding.note, finding.help)))
    title = quoteattr(f"{finding.rule} at line {finding.span.line}, column {finding.span.column}")
    yield f"    <testcase classname={name} name={title}>"
    yield f'      <failure type="{finding.severity}" message={quoteattr(finding.message)}>{escape(text)}</failure>'
    yield "    </testcase>"
