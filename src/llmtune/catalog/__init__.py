"""Shipped facts and how to look them up. Data lies in ``data/`` as one JSON file per thing, read when asked for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

LISTS = {
    "GPU": "gpus",
    "instance": "instances",
    "model": "models",
    "scenario": "scenarios",
    "vLLM version": "versions",
}
SUGGESTIONS = 3
CLOSENESS = 0.6  # difflib's own default: below it suggestions look random


class UnknownName(ValueError):  # noqa: N818 - it names what is wrong, as the message does
    """A name that the catalogue does not have.

    Args:
        kind: what was looked up, as the message says it (``GPU``, ``instance``).
        text: what was asked for.
        known: every spelling that exists, or a mapping from spelling to the name to suggest for it; the closest, best
            first, become ``suggestions``.
        hint: what to say instead of a suggestion, where similar spellings mean nothing (releases).
    """

    def __init__(
        self, kind: str, text: str, known: Iterable[str] | Mapping[str, str] = (), *, hint: str | None = None
    ) -> None:
        self.kind = kind
        self.text = text
        self.suggestions = _closest(text, known)
        suggestion = f" Did you mean {self.suggestions[0]!r}?" if self.suggestions else ""
        said = f" {hint}." if hint else suggestion
        super().__init__(f"unknown {kind} {text!r}.{said} See: llmtune list {LISTS.get(kind, kind)}")


def _closest(text: str, known: Iterable[str] | Mapping[str, str]) -> tuple[str, ...]:
    from difflib import get_close_matches  # noqa: PLC0415 - only an error needs it

    names = known if isinstance(known, Mapping) else {spelling: spelling for spelling in known}
    wanted = "-".join(text.casefold().split())
    # Several spellings may lead to one name, so ask for more than are wanted.
    close = get_close_matches(wanted, list(names), n=3 * SUGGESTIONS, cutoff=CLOSENESS)
    return tuple(dict.fromkeys(names[spelling] for spelling in close))[:SUGGESTIONS]
