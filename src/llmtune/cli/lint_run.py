"""Many files to one result: reads each, lints it, and goes on whatever happens to one of them."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from llmtune.cli.lint_files import read_bytes
from llmtune.cli.linting import lint_text
from llmtune.readers import LARGEST, ReadError, decode, readers
from llmtune.spec.finding import Finding
from llmtune.spec.lint import CheckedFile, LintResult, SkippedFile
from llmtune.spec.span import Span

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from llmtune.cli.lint_files import Target
    from llmtune.cli.linting import LintOptions

MANY = 200  # files from which a second process pays for itself
BATCH = 50
STDIN = "<stdin>"


def lint_files(found: Iterable[Target], options: LintOptions) -> LintResult:
    """Lint every file; more processes where there are many."""
    files = list(found)
    workers = min(os.cpu_count() or 1, 8)
    results = _side_by_side(files, options, workers) if len(files) >= MANY and workers > 1 else _in_turn(files, options)
    checked: list[CheckedFile] = []
    skipped: list[SkippedFile] = []
    for result in results:
        (checked if isinstance(result, CheckedFile) else skipped).append(result)  # type: ignore[arg-type]
    return LintResult(tuple(checked), tuple(skipped))


def _in_turn(files: list[Target], options: LintOptions) -> Iterator[CheckedFile | SkippedFile]:
    return (lint_file(target, options) for target in files)


def _side_by_side(files: list[Target], options: LintOptions, workers: int) -> Iterator[CheckedFile | SkippedFile]:
    from concurrent.futures import ProcessPoolExecutor  # noqa: PLC0415 - only for many files

    from llmtune.rules import rules  # noqa: PLC0415

    rules(), readers()  # loaded once, before the processes part
    batches = [files[start : start + BATCH] for start in range(0, len(files), BATCH)]
    with ProcessPoolExecutor(workers) as pool:
        for batch in pool.map(_batch, batches, [options] * len(batches)):
            yield from batch


def _batch(files: list[Target], options: LintOptions) -> list[CheckedFile | SkippedFile]:
    return [lint_file(target, options) for target in files]


def lint_file(target: Target, options: LintOptions) -> CheckedFile | SkippedFile:
    """One file; what cannot be read is a finding, what is no deployment is skipped."""
    name = STDIN if target.path == "-" else target.path
    try:
        text = _text(target.path, name)
    except ReadError as error:
        return _broken(name, error)
    try:
        checked = lint_text(text, name, options)
    except ReadError as error:
        if not target.named and "vllm" not in text.lower():
            return SkippedFile(name, f"it has no vLLM server ({error.message})")
        return _broken(name, error)
    except Exception as error:  # noqa: BLE001 - a bug of ours must not stop the other files, and must not pass unseen
        return _broken(name, ReadError(_bug(error), name="unreadable-file"))
    if checked is None or (not checked.servers and not checked.findings):
        return SkippedFile(name, "it starts no vLLM server")
    return checked


def _bug(error: Exception) -> str:
    """What to say of a file that brings a mistake of ours to light."""
    frame = error.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    where = f" at {Path(frame.tb_frame.f_code.co_filename).name}:{frame.tb_lineno}" if frame is not None else ""
    return f"a bug in llmtune keeps it from being checked ({type(error).__name__}{where}); please report it"


def _text(path: str, name: str) -> str:
    """A file's text.

    Raises:
        ReadError: when it has none that can be linted.

    """
    try:
        data = sys.stdin.buffer.read(LARGEST + 1) if path == "-" else read_bytes(path, LARGEST)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ReadError(f"cannot read it: {reason}", name="unreadable-file") from error
    if len(data) > LARGEST:
        raise ReadError(f"more than {LARGEST >> 20} MiB is no configuration file", name="unreadable-file")
    try:
        return decode(data, name)
    except ReadError as error:
        raise ReadError("it is not UTF-8 text; save it as UTF-8", name="unreadable-file") from error


def _broken(name: str, error: ReadError) -> CheckedFile:
    """A file that could not be read, as its one finding."""
    from llmtune.rules import rules  # noqa: PLC0415

    rule = error.name if error.name in rules() else "unreadable-file"
    span = error.span if error.span is not None and error.span.file == name else Span(name, 1, 1, 1, 1)
    finding = Finding(error.message, span, fix=error.fix, rule=rule, severity="error", confidence="certain")
    return CheckedFile(name, "broken", findings=(finding,), broken=True)
