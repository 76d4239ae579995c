"""``lint --format gitlab``: GitLab's code quality report.

The format: https://docs.gitlab.com/ci/testing/code_quality/#code-quality-report-format
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from pathlib import PurePath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from llmtune.reports.text import Paper
    from llmtune.spec.lint import LintResult
    from llmtune.spec.rule import Rule

LEVELS = {"error": "critical", "warning": "minor", "info": "info"}


def render(result: LintResult, _: Mapping[str, Rule], __: Paper) -> str:
    """A list of issues; equal ones in a file get fingerprints of their own."""
    issues = []
    seen: Counter[str] = Counter()
    for file in result.checked:
        for finding in file.findings:
            path = PurePath(file.path).as_posix().removeprefix("./")
            about = f"{path}\0{finding.rule}\0{file.lines.get(finding.span.line, '').strip()}"
            seen[about] += 1
            mark = hashlib.sha256(f"{about}\0{seen[about]}".encode()).hexdigest()[:40]
            issues.append(
                {
                    "description": " - ".join(filter(None, (finding.message, finding.note, finding.help))),
                    "check_name": finding.rule,
                    "fingerprint": mark,
                    "severity": LEVELS[finding.severity],
                    "location": {
                        "path": path,
                        "positions": {
                            "begin": {"line": finding.span.line, "column": finding.span.column},
                            "end": {"line": finding.span.end_line, "column": finding.span.end_column},
                        },
                    },
                }
            )
    return f"{json.dumps(issues, indent=2, ensure_ascii=False)}\n"
