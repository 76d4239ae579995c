"""``lint --statistics`` and ``--show-files``: counts by rule, and what each file was read as."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from llmtune.reports.lint_text import closing
from llmtune.spec.finding import SEVERITIES

if TYPE_CHECKING:
    from llmtune.spec.lint import CheckedFile, LintResult

ORIGINS = {
    "image": "from the image tag",
    "file": "from the file",
    "option": "as given",
    "newest": "the newest known; none is named",
}


def render(result: LintResult) -> str:
    """Findings by rule, most frequent first."""
    counted = Counter((finding.severity, finding.rule) for finding in result.findings)
    fixable = Counter(finding.rule for finding in result.findings if finding.fix is not None)
    order = sorted(counted.items(), key=lambda entry: (-entry[1], SEVERITIES.index(entry[0][0]), entry[0][1]))
    width = max((len(str(count)) for _, count in order), default=1)
    lines = [
        f"{count:>{width}}  {severity:<7}  {rule}{f'  ({fixable[rule]} with --fix)' if fixable[rule] else ''}"
        for (severity, rule), count in order
    ]
    return "\n".join([*lines, closing(result), ""])


def files(result: LintResult) -> str:
    """Every file with its kind, servers and releases, and why others were skipped."""
    lines = [line for file in result.checked for line in _file(file)]
    lines += [f"{file.path}: skipped, {file.why}" for file in result.skipped]
    return "\n".join([*lines, "", ""])


def _file(file: CheckedFile) -> list[str]:
    lines = [f"{file.path}: {file.kind}"]
    for server in file.servers:
        name = f"{server.name}: " if server.name else ""
        lines.append(f"  {name}vLLM {server.release} ({ORIGINS[server.release_from]})")
        if server.unchecked:
            lines.append(f"    not checked for lack of a fact: {', '.join(server.unchecked)}")
    return lines
