"""A Dockerfile's lines: one instruction each, with continued lines, comments between them and here-documents."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from llmtune.readers.shell_words import MOST_WORDS
from llmtune.readers.source import Excerpt
from llmtune.spec.record import dataclass
from llmtune.spec.span import Span
from llmtune.spec.word import Word

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llmtune.readers.source import Source

INSTRUCTION = re.compile(r"[ \t]*([A-Za-z]+)(?:[ \t]+|$)")
KNOWN = frozenset(
    {
        "FROM",
        "ARG",
        "ENV",
        "RUN",
        "CMD",
        "ENTRYPOINT",
        "HEALTHCHECK",
        "EXPOSE",
        "COPY",
        "ADD",
        "LABEL",
        "USER",
        "WORKDIR",
    }
    | {"SHELL", "VOLUME", "STOPSIGNAL", "ONBUILD"}
)
TAKE_DOCUMENTS = frozenset({"RUN", "COPY", "ADD"})
HERE_DOCUMENT = re.compile(r"<<-?\s*(['\"]?)([A-Za-z_]\w*)\1")
ITEM = re.compile(r'\s*("(?:[^"\\\x00-\x1f]|\\.)*")\s*(,|\])')


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction: its name in capitals, what follows it, where it stands, and its lines to be deleted."""

    name: str
    value: Excerpt
    span: Span
    lines: Span


def instructions(source: Source) -> Iterator[Instruction]:
    """Every instruction in order."""
    text, at = source.text, 0
    unclosed: set[str] = set()  # markers of here-documents that do not end
    while at < len(text):
        end = _end(text, at)
        head = INSTRUCTION.match(text, at, end)
        if head is None or head[1].upper() not in KNOWN:
            at = end + 1
            continue
        value, end = _value(source, head.end())
        first, last = source.span(head.start(1), end), source.span(end, end)
        lines = Span(source.name, first.line, 1, last.line + 1, 1)
        stop = head.start(1) + len(text[head.start(1) : end].rstrip())
        name = head[1].upper()
        if name in TAKE_DOCUMENTS:
            value, end = _here_document(source, value, end, unclosed)
        yield Instruction(name, value, source.span(head.start(1), stop), lines)
        at = end + 1


def _end(text: str, at: int) -> int:
    end = text.find("\n", at)
    return len(text) if end < 0 else end


def _value(source: Source, at: int) -> tuple[Excerpt, int]:
    """A value with the lines that continue it; comments and empty lines between them are left out."""
    text = source.text
    pieces: list[str] = []
    offsets: list[int] = []
    while True:
        end = _end(text, at)
        line = text[at:end].rstrip("\r")
        bare = line.rstrip(" \t")
        skipped = bool(pieces) and (not bare or bare.lstrip()[:1] == "#")
        continued = bare.endswith("\\") or skipped
        if not skipped:
            kept = bare + "\n" if continued else line
            pieces.append(kept)
            offsets += range(at, at + len(kept))
        if not continued or end >= len(text):
            return Excerpt(source, "".join(pieces), [*offsets, end]), end
        at = end + 1


def _here_document(source: Source, value: Excerpt, end: int, unclosed: set[str]) -> tuple[Excerpt, int]:
    """``RUN <<EOF``: the lines up to the marker are the script; those of ``COPY`` are passed over."""
    marker = HERE_DOCUMENT.search(value.text)
    if marker is None or marker[2] in unclosed:
        return value, end
    close = re.compile(rf"^[ \t]*{marker[2]}[ \t]*\r?$", re.MULTILINE).search(source.text, end + 1)
    if close is None:
        unclosed.add(marker[2])
        return value, end
    script = Excerpt(source, source.text[end + 1 : close.start()], range(end + 1, close.start() + 1))
    return (script if value.text.lstrip().startswith("<<") else value), _end(source.text, close.start())


def items_of(value: Excerpt) -> list[tuple[Word, Excerpt]] | None:
    """The words of an exec form, ``["vllm", "serve"]``; None for a shell form."""
    text = value.text.replace("\\\n", "  ")
    at = len(text) - len(text.lstrip())
    if text[at : at + 1] != "[":
        return None
    at += 1
    if text[at:].strip() == "]":
        return []
    found: list[tuple[Word, Excerpt]] = []
    before = at
    while True:
        match = ITEM.match(text, at)
        if match is None:
            return None
        start, end = match.span(1)
        try:
            said = str(json.loads(match[1]))
        except ValueError:
            return None  # an escape that JSON does not have
        inner = value.part(start + 1, end - 1)
        if said != inner.text:
            places = [value.offsets[start]] * len(said)
            inner = Excerpt(value.source, said, [*places, value.offsets[end - 1]])
        extent = value.span(before, end) if found and value.is_plain(before, end) else None
        found.append((Word(said, value.span(start, end), extent), inner))
        before, at = end, match.end()
        if len(found) > MOST_WORDS:
            return found
        if match[2] == "]":
            return found if not text[at:].strip() else None
