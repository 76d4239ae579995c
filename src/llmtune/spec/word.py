r"""A word of a file: one argument of a command, or one scalar of YAML, with its place.

What a template or a variable hides is a hole: the part that is not known stands between two marks, as it is written
in the file (``"\ue000$PORT\ue001"``), so that it survives every reader, can be shown, and is never taken for a value.
"""

from __future__ import annotations

import re
from dataclasses import field
from typing import TYPE_CHECKING

from llmtune.spec.finding import Edit
from llmtune.spec.record import dataclass

if TYPE_CHECKING:
    from llmtune.spec.span import Span

HOLE, END = "\ue000", "\ue001"  # characters for private use: no file has them
FILLER = "\ue002"  # inside a hole whose text may not stand there (a template in YAML)
FILLED = re.compile(f"{FILLER}+")


def hole(written: str) -> str:
    """A text that is not known, as it is written."""
    return f"{HOLE}{written}{END}"


def is_unknown(text: str) -> bool:
    """Whether any part of a text is not known."""
    return HOLE in text


def shown(text: str) -> str:
    """A text as a message shows it: holes as they are written."""
    return FILLED.sub("...", text).replace(HOLE, "").replace(END, "")


@dataclass(frozen=True, slots=True)
class Word:
    """One argument and where it was written.

    ``span`` covers it with its quotes. ``extent`` is what to delete together with it: the blanks before it in a
    command, the line of its item in a YAML list; None where deleting is not safe. ``plain``: the file has the very
    characters of ``text`` at ``span``, without the first ``added`` ones (the dashes that a YAML key lacks; -1 for a
    quote that only the file has), so that a part of it can be edited. ``open``: it may stand for any number of words
    (``$ARGS`` without quotes, an array that is filled elsewhere).
    """

    text: str
    span: Span | None = None
    extent: Span | None = field(default=None, compare=False)
    plain: bool = field(default=False, compare=False)
    open: bool = field(default=False, compare=False)
    added: int = field(default=0, compare=False)

    def edit(self, start: int, end: int, text: str) -> Edit | None:
        """Replace the characters ``start:end`` of the text; None where the file spells them differently."""
        if not self.plain or self.span is None:
            return None
        first, last = max(0, start - self.added), max(0, end - self.added)
        return Edit(self.span.part(first, last), text[max(0, self.added - start) :])
