"""What must hold for any text whatever, for every reader, for ``lint`` and for ``--fix``: ``fuzz_readers`` asks.

A check takes a text and raises ``BrokenLawError`` where a law does not hold; every other exception is a crash.
"""

from __future__ import annotations

import re
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any

from llmtune.catalog import engines
from llmtune.cli.cases import find_cases, secrets_of
from llmtune.cli.fixing import fixed
from llmtune.cli.linting import LintOptions, lint_text
from llmtune.readers import ReadError, read_document, readers
from llmtune.readers.secrets import KNOWN_TOKEN
from llmtune.readers.server import read_server
from llmtune.readers.source import Source
from llmtune.spec.span import Span
from llmtune.spec.word import Word, shown
from llmtune.writers.fixes import apply_fixes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from llmtune.spec.finding import Finding
    from llmtune.spec.lint import CheckedFile

FOLDER = "/nowhere/"  # so that no --config file is found
RELEASES = ("0.6.0", "0.11.0", "0.17.1", "0.33.0")
NAMES = {"dockerfile": "Dockerfile", "shell": "run.sh", "systemd": "vllm.service"}
OPTIONS = LintOptions()


class BrokenLawError(AssertionError):
    """A law that does not hold."""


def checks() -> dict[str, Callable[[str], None]]:
    """One check for each kind of file, for ``lint`` and for ``fix``."""
    found: dict[str, Callable[[str], None]] = {reader.KIND: reading(reader.KIND) for reader in readers()}
    return {**found, "lint": check_lint, "fix": check_fix}


def reading(kind: str) -> Callable[[str], None]:
    """Only a ``ReadError`` leaves a reader, and every place and word that it gives is the file's."""

    def check(text: str) -> None:
        name = FOLDER + NAMES.get(kind, "deploy.yaml")
        try:
            document = read_document(text, name, kind)
        except ReadError as error:
            check_error(error, Source(text, name))
            return
        if document is None:
            raise BrokenLawError("the kind has no reader")
        check_places(document, Source(text, name))
        for server in document.servers[:3]:
            for release in RELEASES:
                result = read_server(server, engines.find(release))
                check_places((result.deployment, result.warnings, result.model_word), Source(text, name))
                for problem in result.problems:
                    check_error(problem, Source(text, name))

    return check


def check_lint(text: str) -> None:
    """Nothing leaves ``lint_text`` but a ``ReadError``; places are the file's, and nothing tells a secret."""
    name = FOLDER + name_of(text)
    try:
        checked = lint_text(text, name, OPTIONS)
    except ReadError as error:
        check_error(error, Source(text, name))
        return
    if checked is None:
        return
    check_places(checked.findings, Source(text, name))
    hidden = secrets_of(find_cases(text, name, OPTIONS)[1])
    for said in texts(checked):
        said.encode()
        if KNOWN_TOKEN.search(said):
            raise BrokenLawError(f"a token of a known shape in {said!r}")
        for secret in hidden:
            if secret in said:
                raise BrokenLawError(f"the secret {secret!r} in {said!r}")


def check_fix(text: str) -> None:
    """Fixes edit nothing but their places, leave a text that can be read, and a second run changes nothing."""
    name = FOLDER + name_of(text)
    try:
        checked = lint_text(text, name, OPTIONS)
    except ReadError:
        return
    if checked is None or not any(finding.fix for finding in checked.findings):
        return
    after, done = apply_fixes(Source(text, name), checked.findings, unsafe=True)
    check_edits(Source(text, name), after, done)
    for unsafe in (False, True):
        once, _ = fixed(text, name, OPTIONS, unsafe=unsafe)
        if once == text:
            continue
        try:
            again = lint_text(once, name, OPTIONS)
        except ReadError as error:
            raise BrokenLawError(f"the fixed text cannot be read: {error}\n{once}") from error
        if again is None:
            raise BrokenLawError(f"the fixed text has no reader\n{once}")
        twice, _ = fixed(once, name, OPTIONS, unsafe=unsafe)
        if twice != once:
            raise BrokenLawError(f"a second run changes it again\n--- once\n{once}\n--- twice\n{twice}")


def name_of(text: str) -> str:
    """A file name that the text fits, so that readers that look at names are asked."""
    if re.search(r"^\s*\[(Unit|Service)\]", text, re.MULTILINE):
        return NAMES["systemd"]
    if re.search(r"^\s*FROM\s", text, re.MULTILINE):
        return NAMES["dockerfile"]
    return NAMES["shell"] if text.startswith("#!") else "deploy.yaml"


def check_error(error: ReadError, source: Source) -> None:
    """An error says what, under a name, and where in the file."""
    if not error.message or not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", error.name):
        raise BrokenLawError(f"{error.name!r}: {error.message!r}")
    check_places((error.span, error.fix, error.words), source)


def check_places(value: object, source: Source) -> None:
    """Every span lies in the file; every plain word stands at its span."""
    for item in walk(value):
        if isinstance(item, Span):
            check_span(item, source)
        elif isinstance(item, Word):
            check_word(item, source)


def check_span(span: Span, source: Source) -> None:
    """Lines and columns exist; one line behind the last is where a deleted last line ends."""
    lines = len(source.starts)
    ends = [*(start - 1 for start in source.starts[1:]), len(source.text)]  # of lines
    inside = 1 <= span.line <= lines and 1 <= span.column <= ends[span.line - 1] - source.starts[span.line - 1] + 1
    ordered = (span.line, span.column) <= (span.end_line, span.end_column)
    behind = (span.end_line, span.end_column) == (lines + 1, 1)
    last = span.end_line <= lines and source.starts[span.end_line - 1] + span.end_column - 1 <= ends[span.end_line - 1]
    if span.file != source.name or not inside or not ordered or not (behind or last):
        raise BrokenLawError(f"{span} is not in the file of {lines} lines")


def check_word(word: Word, source: Source) -> None:
    """A plain word is spelled so in the file, character by character; a flag's ``_`` may have become ``-``."""
    start = max(0, word.added)
    edit = word.edit(start, len(word.text), "")
    if edit is None:
        return
    there, said = source.slice(edit.span), word.text[start:]
    if there != said and not (word.text.startswith("--") and there.replace("_", "-") == said.replace("_", "-")):
        raise BrokenLawError(f"{word} is {source.slice(edit.span)!r} in the file")


def check_edits(source: Source, after: str, done: Iterable[Finding]) -> None:
    """What stands between the edits is the same, and they do not overlap."""
    edits = sorted({(*source.range(edit.span), edit.text) for item in done if item.fix for edit in item.fix.edits})
    at, built = 0, ""
    for start, end, text in edits:
        if not at <= start <= end <= len(source.text):
            raise BrokenLawError(f"edits overlap: {edits}")
        built += source.text[at:start] + text
        at = end
    if built + source.text[at:] != after:
        raise BrokenLawError("a fix changes what stands outside of its places")


def texts(checked: CheckedFile) -> Iterator[str]:
    """Everything that a report may show."""
    for finding in checked.findings:
        yield from (shown(text) for text in (finding.message, finding.note, finding.help, finding.server))
    yield from checked.lines.values()


def walk(value: object) -> Iterator[Any]:
    """A value and everything in it."""
    if isinstance(value, (Span, Word)):
        yield value
    if isinstance(value, (tuple, list, frozenset)):
        for item in value:
            yield from walk(item)
    elif isinstance(value, dict):
        for item in value.values():
            yield from walk(item)
    elif is_dataclass(value) and not isinstance(value, (type, Span)):
        for item in fields(value):
            yield from walk(getattr(value, item.name))
