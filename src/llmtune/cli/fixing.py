"""``llmtune lint --fix`` and ``--diff``: fixes applied until nothing changes any more, then written as a whole."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import TYPE_CHECKING

from llmtune.cli.cases import find_cases, mask, secrets_of
from llmtune.cli.lint_files import read_bytes
from llmtune.cli.linting import lint_text
from llmtune.readers import LARGEST, ReadError, decode
from llmtune.readers.secrets import redact_line
from llmtune.readers.source import Source
from llmtune.spec.record import dataclass
from llmtune.writers.files import write_atomically
from llmtune.writers.fixes import apply_fixes

if TYPE_CHECKING:
    from collections.abc import Iterable

    from llmtune.cli.lint_files import Target
    from llmtune.cli.linting import LintOptions

ROUNDS = 100  # fixes that overlap are applied in rounds; a file needs three, one repeated line one for each time
BYTE_ORDER_MARK = "\ufeff"


@dataclass(frozen=True, slots=True)
class Changes:
    """What fixing did: how many fixes in how many files, or what would change."""

    fixes: int
    files: int
    diff: str


def fix_files(found: Iterable[Target], options: LintOptions, *, unsafe: bool, write: bool) -> Changes:
    """Fix every file that can be read; with ``write`` in place, otherwise only the difference is returned."""
    fixes, files, diffs = 0, 0, []
    for target in found:
        try:
            data = read_bytes(target.path, LARGEST)
            before = decode(data, target.path) if len(data) <= LARGEST else ""
        except (OSError, ValueError):
            continue  # the run that follows reports it
        after, count = fixed(before, target.path, options, unsafe=unsafe)
        if after == before:
            continue
        fixes, files = fixes + count, files + 1
        if write:
            mark = BYTE_ORDER_MARK if data.startswith(BYTE_ORDER_MARK.encode()) else ""
            write_atomically(Path(target.path), mark + after)
        else:
            hidden = secrets_of(find_cases(before, target.path, options)[1])
            diffs.append(mask(_difference(before, after, target.path), hidden))
    return Changes(fixes, files, "".join(diffs))


def fixed(text: str, name: str, options: LintOptions, *, unsafe: bool) -> tuple[str, int]:
    """A text with its fixes applied, and how many there were. Stops where a fix would make it unreadable."""
    count = 0
    for _ in range(ROUNDS):
        try:
            checked = lint_text(text, name, options)
        except ReadError:
            return text, count
        if checked is None:
            return text, count
        after, done = apply_fixes(Source(text, name), checked.findings, unsafe=unsafe)
        if after == text or not _is_readable(after, name, options):
            return text, count
        text, count = after, count + len(done)
    return text, count


def _is_readable(text: str, name: str, options: LintOptions) -> bool:
    try:
        return lint_text(text, name, options) is not None
    except ReadError:
        return False


def _difference(before: str, after: str, path: str) -> str:
    name = path.removeprefix("/")
    lines = difflib.unified_diff(
        before.splitlines(keepends=True), after.splitlines(keepends=True), f"a/{name}", f"b/{name}"
    )
    shown = (redact_line(line) for line in lines)
    return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in shown)
