"""A baseline: findings that a repository already had, so that only new ones count.

A finding is known again by its file, its rule and the text of its line, so lines may move. The file is JSON, sorted,
one entry a line, and meant to be committed and to shrink.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from llmtune.cli.errors import UserError
from llmtune.spec.lint import LintResult

if TYPE_CHECKING:
    from llmtune.spec.finding import Finding
    from llmtune.spec.lint import CheckedFile

SCHEMA = "llmtune/baseline/1"
LARGEST = 64 << 20


def fingerprint(file: CheckedFile, finding: Finding) -> str:
    """File, rule and line text in 16 hexadecimal digits: no text of the file is kept."""
    line = " ".join(file.lines.get(finding.span.line, "").split())
    path = Path(file.path).as_posix().removeprefix("./")
    return hashlib.sha256(f"{path}\0{finding.rule}\0{line}".encode()).hexdigest()[:16]


def write(result: LintResult) -> str:
    """The baseline of a result."""
    counted: Counter[tuple[str, str, str]] = Counter()
    for file in result.checked:
        for finding in file.findings:
            counted[Path(file.path).as_posix(), finding.rule, fingerprint(file, finding)] += 1
    entries = [
        {"path": path, "rule": rule, "fingerprint": mark, "count": count}
        for (path, rule, mark), count in sorted(counted.items())
    ]
    lines = ",\n".join(f"  {json.dumps(entry)}" for entry in entries)
    return f'{{"schema": "{SCHEMA}", "findings": [\n{lines}\n]}}\n'


def apply(result: LintResult, path: Path) -> LintResult:
    """The result without the findings of a baseline.

    Raises:
        UserError: when the file cannot be read or is no baseline.

    """
    left = _read(path)
    checked = []
    for file in result.checked:
        kept = []
        for finding in file.findings:
            mark = fingerprint(file, finding)
            if left[mark] > 0:
                left[mark] -= 1
            else:
                kept.append(finding)
        hidden = len(file.findings) - len(kept)
        checked.append(replace(file, findings=tuple(kept), suppressed=file.suppressed + hidden))
    return LintResult(tuple(checked), result.skipped)


def _read(path: Path) -> Counter[str]:
    wrong = f"{path} is no baseline; make one with --write-baseline {path}"
    try:
        with path.open("rb") as file:
            document = json.loads(file.read(LARGEST))
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror or error}; make it with --write-baseline") from error
    except (ValueError, RecursionError) as error:
        raise UserError(wrong) from error
    if not isinstance(document, dict) or document.get("schema") != SCHEMA:
        raise UserError(wrong)
    left: Counter[str] = Counter()
    for entry in document.get("findings", ()):
        if not isinstance(entry, dict) or not isinstance(entry.get("count"), int):
            raise UserError(wrong)
        left[str(entry.get("fingerprint"))] += entry["count"]
    return left
