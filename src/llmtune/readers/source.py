"""A file's text and pieces cut out of it that know where every character stands.

A command may stand in a string in a YAML list: whoever reads the command asks its excerpt for spans, and gets places in
the file.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import field
from functools import cached_property
from typing import TYPE_CHECKING

from llmtune.spec.record import dataclass
from llmtune.spec.span import Span
from llmtune.spec.word import HOLE

if TYPE_CHECKING:
    from collections.abc import Sequence


class Source:
    """The text of one file, or of the standard input."""

    def __init__(self, text: str, name: str, title: str = "") -> None:
        """Take a text and the name that spans and messages carry.

        ``title`` is what a file with this text is called, where the text stands in another one.
        """
        self.text = text
        self.name = name
        self.title = title or name

    @cached_property
    def starts(self) -> list[int]:
        """Where each line starts."""
        starts, at = [0], self.text.find("\n")
        while at >= 0:
            starts.append(at + 1)
            at = self.text.find("\n", at + 1)
        return starts

    def span(self, start: int, end: int) -> Span:
        """The place of the characters ``start:end``; a line break that YAML adds at the end of a file has none."""
        start, end = min(start, len(self.text)), min(end, len(self.text))
        line, last = bisect_right(self.starts, start), bisect_right(self.starts, end)
        column, last_column = start - self.starts[line - 1] + 1, end - self.starts[last - 1] + 1
        return Span(self.name, line, column, last, last_column)

    def offset(self, line: int, column: int) -> int:
        """The character at a place."""
        if line > len(self.starts):
            return len(self.text)
        return min(self.starts[line - 1] + column - 1, len(self.text))

    def range(self, span: Span) -> tuple[int, int]:
        """First character and the one behind the last of a span."""
        return self.offset(span.line, span.column), self.offset(span.end_line, span.end_column)

    def slice(self, span: Span) -> str:
        """What the file has at a span."""
        start, end = self.range(span)
        return self.text[start:end]

    def line(self, number: int) -> str:
        """One line without its end."""
        if not 1 <= number <= len(self.starts):
            return ""
        end = self.starts[number] if number < len(self.starts) else len(self.text)
        return self.text[self.starts[number - 1] : end].rstrip("\r\n")

    def whole(self) -> Excerpt:
        """The whole text as an excerpt."""
        return Excerpt(self, self.text, range(len(self.text) + 1))


@dataclass(frozen=True, slots=True)
class Excerpt:
    """A text made of pieces of a source.

    ``offsets[i]`` is where its character ``i`` stands in the source; there is one more offset than characters: the end.
    """

    source: Source
    text: str
    offsets: Sequence[int] = field(repr=False)

    def span(self, start: int, end: int) -> Span:
        """The place in the file of the characters ``start:end`` of the excerpt."""
        if not self.text:
            return self.source.span(self.offsets[0], self.offsets[0])
        first = self.offsets[min(start, len(self.text))]
        last = self.offsets[end - 1] + 1 if end > start else first
        return self.source.span(first, max(first, last))

    def is_plain(self, start: int, end: int) -> bool:
        """Whether the file has these very characters, one after the other on one line."""
        first = self.offsets[start]
        same = self.source.text[first : first + end - start] == self.text[start:end]
        together = end <= start or self.offsets[end - 1] == first + end - start - 1
        return same and together and not {"\n", HOLE} & set(self.text[start:end])

    def part(self, start: int, end: int) -> Excerpt:
        """The characters ``start:end`` as an excerpt of their own."""
        return Excerpt(self.source, self.text[start:end], self.offsets[start : end + 1])


def joined(texts: Sequence[Excerpt]) -> Excerpt | None:
    """Texts with blanks between them, as ``eval`` reads them."""
    if not texts:
        return None
    pieces: list[str] = []
    offsets: list[int] = []
    for part in texts:
        if pieces:
            pieces.append(" ")
            offsets.append(part.offsets[0])
        pieces.append(part.text)
        offsets += part.offsets[: len(part.text)]
    end = offsets[-1] + 1 if offsets else texts[0].offsets[0]
    return Excerpt(texts[0].source, "".join(pieces), [*offsets, end])
