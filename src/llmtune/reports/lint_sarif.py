"""``lint --format sarif``: SARIF 2.1.0, which GitHub code scanning and editors read.

The schema: https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json
"""

from __future__ import annotations

import json
from pathlib import PurePath
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from llmtune import __version__

if TYPE_CHECKING:
    from collections.abc import Mapping

    from llmtune.reports.text import Paper
    from llmtune.spec.finding import Edit, Finding
    from llmtune.spec.lint import LintResult
    from llmtune.spec.rule import Rule
    from llmtune.spec.span import Span

LEVELS = {"error": "error", "warning": "warning", "info": "note"}
PRECISION = {"certain": "very-high", "likely": "high", "possible": "medium"}
SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"


def render(result: LintResult, rules: Mapping[str, Rule], _: Paper) -> str:
    """The document: one run, every rule that exists, a result a finding."""
    order = {name: place for place, name in enumerate(sorted(rules))}
    unread = [finding for file in result.checked if file.broken for finding in file.findings]
    run = {
        "tool": {
            "driver": {
                "name": "llmtune",
                "semanticVersion": __version__,
                "rules": [_rule(rules[name]) for name in order],
            }
        },
        "columnKind": "unicodeCodePoints",
        "invocations": [{"executionSuccessful": not unread}],
        "results": [_result(finding, order) for finding in result.findings],
    }
    return f"{json.dumps({'$schema': SCHEMA, 'version': '2.1.0', 'runs': [run]}, indent=2, ensure_ascii=False)}\n"


def _rule(rule: Rule) -> dict[str, Any]:
    return {
        "id": rule.name,
        "shortDescription": {"text": rule.title},
        "help": {"text": rule.text, "markdown": rule.markdown},
        "defaultConfiguration": {"level": LEVELS[rule.severity]},
        "properties": {"precision": PRECISION[rule.confidence], "tags": ["vllm"]},
    }


def _result(finding: Finding, order: Mapping[str, int]) -> dict[str, Any]:
    text = ". ".join(filter(None, (finding.message, finding.note, finding.help)))
    result: dict[str, Any] = {
        "ruleId": finding.rule,
        "ruleIndex": order[finding.rule],
        "level": LEVELS[finding.severity],
        "message": {"text": text},
        "locations": [
            {"physicalLocation": {"artifactLocation": _artifact(finding.span.file), "region": _region(finding.span)}}
        ],
    }
    if finding.fix is not None and finding.fix.edits:
        files = list(dict.fromkeys(edit.span.file for edit in finding.fix.edits))
        changes = [
            {
                "artifactLocation": _artifact(file),
                "replacements": [_replacement(edit) for edit in finding.fix.edits if edit.span.file == file],
            }
            for file in files
        ]
        result["fixes"] = [{"description": {"text": finding.fix.title}, "artifactChanges": changes}]
    return result


def _artifact(path: str) -> dict[str, str]:
    plain = PurePath(path).as_posix().removeprefix("./")
    return {"uri": quote(plain)}


def _region(span: Span) -> dict[str, int]:
    return {
        "startLine": span.line,
        "startColumn": span.column,
        "endLine": span.end_line,
        "endColumn": span.end_column,
    }


def _replacement(edit: Edit) -> dict[str, Any]:
    replacement: dict[str, Any] = {"deletedRegion": _region(edit.span)}
    if edit.text:
        replacement["insertedContent"] = {"text": edit.text}
    return replacement
