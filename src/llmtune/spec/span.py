"""A place in a file."""

from __future__ import annotations

from llmtune.spec.record import dataclass


@dataclass(frozen=True, slots=True)
class Span:
    """Where something was written: 1-based lines and columns (characters), end exclusive."""

    file: str
    line: int
    column: int
    end_line: int
    end_column: int

    def part(self, start: int, end: int) -> Span:
        """The place of the characters ``start:end`` of a span on one line."""
        return Span(self.file, self.line, self.column + start, self.line, self.column + end)
