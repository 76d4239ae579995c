"""A text copied piece by piece, with some pieces hidden or replaced: every character keeps its place in the file."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING

from llmtune.readers.source import Excerpt
from llmtune.spec.record import dataclass
from llmtune.spec.word import END, HOLE, hole

if TYPE_CHECKING:
    from llmtune.readers.source import Excerpt as Original

MARKS = str.maketrans("", "", HOLE + END)


@dataclass(slots=True)
class Filler:
    """Takes the characters ``start:end`` of a text one way or another; ``done`` gives what came of it."""

    original: Original
    pieces: list[str] = field(default_factory=list)
    offsets: list[int] = field(default_factory=list)

    def copy(self, start: int, end: int) -> None:
        """Take characters as they are."""
        self.pieces.append(self.original.text[start:end])
        self.offsets += self.original.offsets[start:end]

    def hide(self, start: int, end: int) -> None:
        """Take characters as a hole."""
        text, offsets = self.original.text, self.original.offsets
        self.pieces.append(hole(text[start:end].translate(MARKS)))
        written = [offsets[at] for at in range(start, end) if text[at] not in {HOLE, END}]
        self.offsets += [written[0], *written, written[-1]]

    def replace(self, start: int, end: int, text: str) -> None:
        """Take another text that stands for characters: it is found where they are."""
        if text:
            first, last = self.original.offsets[start], self.original.offsets[end - 1]
            self.pieces.append(text)
            self.offsets += [first] * (len(text) - 1) + [last]

    def done(self) -> Excerpt:
        """The text that was taken."""
        end = self.original.offsets[len(self.original.text)]
        return Excerpt(self.original.source, "".join(self.pieces), [*self.offsets, end])
