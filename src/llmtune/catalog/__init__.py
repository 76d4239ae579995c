"""Shipped facts and how to look them up. Data lies in ``data/`` as one JSON file per thing, read when asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

LISTS = {"GPU": "gpus", "engine version": "engines", "instance": "instances", "model": "models", "preset": "presets"}
SUGGESTIONS = 3
CLOSENESS = 0.6  # difflib's own default: below it suggestions look random


class UnknownName(ValueError):  # noqa: N818 - it names what is wrong, as the message does
    """A name that the catalogue does not have.

    Args:
        kind: what was looked up, as the message says it (``GPU``, ``instance``).
        text: what was asked for.
        known: every spelling that exists; the closest ones become ``suggestions``.
    """

    def __init__(self, kind: str, text: str, known: Iterable[str]) -> None:
        self.kind = kind
        self.text = text
        self.suggestions = _closest(text, known)
        super().__init__(str(self))

    def __str__(self) -> str:
        """The one line that the user reads."""
        hint = f" Did you mean {' or '.join(map(repr, self.suggestions))}?" if self.suggestions else ""
        return f"unknown {self.kind} {self.text!r}.{hint} See: llmtune list {LISTS.get(self.kind, self.kind)}"

    def __reduce__(self) -> tuple[type[UnknownName], tuple[str, str, tuple[str, ...]]]:
        """Pickle by what it was made of: the default would call ``__init__`` with the message alone."""
        return type(self), (self.kind, self.text, self.suggestions)


def _closest(text: str, known: Iterable[str]) -> tuple[str, ...]:
    from difflib import get_close_matches  # noqa: PLC0415 - only an error needs it

    spellings = list(dict.fromkeys(known))
    wanted = "-".join(text.casefold().split())
    return tuple(get_close_matches(wanted, spellings, n=SUGGESTIONS, cutoff=CLOSENESS))
