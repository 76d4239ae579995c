"""Fixes of single settings: give one another value, or take it out. None where the file's form forbids it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.spec.deployment import Setting
from llmtune.spec.finding import Edit, Fix
from llmtune.spec.span import Span

if TYPE_CHECKING:
    from collections.abc import Sequence

    from llmtune.calc.case import Case
    from llmtune.spec.word import Word


COMMANDS = frozenset({"host", "docker"})  # where servers of a script run


def set_to(setting: Setting | None, value: object, *, safe: bool = False) -> Fix | None:
    """Write another value where the setting has one word of its own for it, or one behind an equals sign."""
    words = () if setting is None else setting.words
    if setting is None or not words or len(words) > 2:  # noqa: PLR2004 - the flag and one value
        return None
    word = words[-1]
    start = word.text.find("=") + 1 if len(words) == 1 else 0
    if len(words) == 1 and not start:
        return None
    edit = word.edit(start, len(word.text), str(value))
    return Fix(f"set --{setting.flag} to {value}", (edit,), safe=safe) if edit else None


def without(setting: Setting | None, *, safe: bool = False) -> Fix | None:
    """Take the setting out: its flag and its values."""
    if setting is None or not setting.words:
        return None
    written = setting.words[0].text.partition("=")[0]
    return without_words(setting.words, f"remove {written}", safe=safe)


def without_words(words: Sequence[Word], title: str, *, safe: bool = False) -> Fix | None:
    """Take several words out, such as a flag that the release does not know with what follows it."""
    edits = _deletions(words)
    return Fix(title, edits, safe=safe) if edits else None


def is_written_out(setting: Setting) -> bool:
    """Whether the file has the value where it is used, and not as the value or the default of a variable."""
    if not setting.words:
        return False
    first, last = setting.words[0], setting.words[-1]
    if last.span is None or not last.plain:
        return False
    extents = [extent for extent in (first.extent, last.extent) if extent is not None]
    return not extents or any(_covers(extent, last.span) for extent in extents)


def behind(case: Case, at: Setting | Word | None, flag: str, value: object = None, *, safe: bool = False) -> Fix | None:
    """Add a flag behind a setting or a word, in a shell script; elsewhere the form of a new entry is not known."""
    words = at.words if isinstance(at, Setting) else (at,)
    span = words[-1].span if words and words[-1] is not None else None
    command = case.document.kind == "shell" and case.around.platform in COMMANDS  # not a file that a script writes
    if not command or span is None or words[-1] is None or words[-1].extent is None:
        return None
    text = f" --{flag}" if value is None else f" --{flag} {value}"
    end = Span(span.file, span.end_line, span.end_column, span.end_line, span.end_column)
    return Fix(f"add{text}", (Edit(end, text),), safe=safe)


def without_word(word: Word, title: str, *, safe: bool = False) -> Fix | None:
    """Take one word out, such as the entry that sets a variable."""
    return Fix(title, (Edit(word.extent, ""),), safe=safe) if word.extent else None


def _deletions(words: Sequence[Word]) -> tuple[Edit, ...]:
    """What to delete so that none of the words is left; nothing where one cannot be deleted cleanly."""
    extents: list[Span] = []
    for word in words:
        if any(word.span is not None and _covers(extent, word.span) for extent in extents):
            continue
        if word.extent is None:
            return ()
        extents.append(word.extent)
    return tuple(Edit(extent, "") for extent in extents)


def _covers(outer: Span, inner: Span) -> bool:
    starts = (outer.line, outer.column) <= (inner.line, inner.column)
    return (
        outer.file == inner.file and starts and (inner.end_line, inner.end_column) <= (outer.end_line, outer.end_column)
    )
