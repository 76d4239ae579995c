"""``lint --format json``: one document for programs; described in docs/reference/json.md."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

from llmtune.spec.finding import SEVERITIES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from llmtune.reports.text import Paper
    from llmtune.spec.finding import Finding, Fix
    from llmtune.spec.lint import CheckedFile, LintResult
    from llmtune.spec.rule import Rule

SCHEMA = "llmtune/lint/1"


def render(result: LintResult, rules: Mapping[str, Rule], _: Paper) -> str:
    """The document."""
    return "".join(_pieces(result, rules))


def _pieces(result: LintResult, rules: Mapping[str, Rule]) -> Iterator[str]:
    """The document item by item: encoded as a whole it takes ten times its own memory."""
    lists = {
        "findings": (finding(item, rules) for item in result.findings),
        "checked": (_checked(file) for file in result.checked),
        "skipped": ({"path": file.path, "why": file.why} for file in result.skipped),
    }
    yield f'{{\n  "schema": "{SCHEMA}",\n'
    for name, items in lists.items():
        yield f'  "{name}": ['
        empty = True
        for item in items:
            yield f"{'' if empty else ','}\n    {_shifted(item, '    ')}"
            empty = False
        yield "],\n" if empty else "\n  ],\n"
    yield f'  "summary": {_shifted(summary(result), "  ")}\n}}\n'


def _shifted(value: dict[str, Any], indent: str) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False).replace("\n", f"\n{indent}")


def finding(item: Finding, rules: Mapping[str, Rule]) -> dict[str, Any]:
    """One finding."""
    return {
        "rule": item.rule,
        "severity": item.severity,
        "confidence": item.confidence,
        "message": item.message,
        "note": item.note or None,
        "help": item.help or None,
        "path": item.span.file,
        "line": item.span.line,
        "column": item.span.column,
        "end_line": item.span.end_line,
        "end_column": item.span.end_column,
        "server": item.server or None,
        "fix": _fix(item.fix),
        "help_url": rules[item.rule].page,
    }


def summary(result: LintResult) -> dict[str, Any]:
    """Counts."""
    severities = Counter(item.severity for item in result.findings)
    return {
        "files": len(result.checked),
        "servers": sum(len(file.servers) for file in result.checked),
        "findings": {severity: severities[severity] for severity in SEVERITIES},
        "fixable": sum(item.fix is not None for item in result.findings),
        "suppressed": sum(file.suppressed for file in result.checked),
        "skipped": len(result.skipped),
        "unreadable": sum(file.broken for file in result.checked),
    }


def _fix(fix: Fix | None) -> dict[str, Any] | None:
    if fix is None:
        return None
    edits = [
        {
            "path": edit.span.file,
            "line": edit.span.line,
            "column": edit.span.column,
            "end_line": edit.span.end_line,
            "end_column": edit.span.end_column,
            "text": edit.text,
        }
        for edit in fix.edits
    ]
    return {"title": fix.title, "safe": fix.safe, "edits": edits}


def _checked(file: CheckedFile) -> dict[str, Any]:
    servers = [
        {
            "name": server.name or None,
            "engine_version": server.release,
            "engine_version_from": server.release_from,
            "not_checked": list(server.unchecked),
        }
        for server in file.servers
    ]
    return {"path": file.path, "kind": file.kind, "suppressed": file.suppressed, "servers": servers}
