"""What to say about an argument that is wrong, and the edit that mends it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from llmtune.readers import ReadError
from llmtune.readers.secrets import MASK, redact_text
from llmtune.readers.spelling import cover
from llmtune.readers.values import is_list
from llmtune.spec.finding import Edit, Fix, Notice
from llmtune.spec.word import shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from llmtune.readers.options import Match, Table
    from llmtune.readers.values import BadValue
    from llmtune.spec.deployment import Setting
    from llmtune.spec.word import Word

DASHES = ("\u2010", "\u2011", "\u2012", "\u2013", "\u2014", "\u2212")  # hyphens, en dash, em dash, minus
QUOTES = "\u201c\u201d\u201e\u2018\u2019\u201a\u00ab\u00bb"
BLANKS = "\u00a0\u2007\u202f\u3000"  # blanks that a shell takes for letters
ANY_DASH = "-" + "".join(DASHES)
DASHED = re.compile(rf"-*[{''.join(DASHES)}]+-*(?=[A-Za-z])")
QUOTED = re.compile(rf"^[{QUOTES}]|[{QUOTES}]$")
TRUE = frozenset({"true", "yes", "on", "1"})


def rename(word: Word, written: str, full: str, *, safe: bool = True) -> Fix | None:
    """Write a flag in another way, where the file has it in these very characters."""
    edit = word.edit(0, len(written), full)
    return Fix(f"write {full}", (edit,), safe=safe) if edit else None


def delete(words: Iterable[Word], title: str, *, safe: bool = True) -> Fix | None:
    """Delete words with what belongs to them; None where one of them cannot be deleted cleanly."""
    extents = [word.extent for word in words]
    if not extents or None in extents:
        return None
    edits = tuple(Edit(extent, "") for extent in dict.fromkeys(extents) if extent is not None)
    return Fix(title, edits, safe=safe)


def abbreviated(match: Match, word: Word) -> Notice:
    """A flag that is not written in full."""
    text = f"{match.written} is short for {match.full} only as long as no other flag starts so; write it in full"
    fix = rename(word, match.written, match.full)
    return Notice("abbreviated-flag", text, word.span, fix, match.written, (word,))


def unknown_flag(word: Word, table: Table) -> ReadError:
    """A flag that the release does not have."""
    name = word.text.partition("=")[0]
    if any(blank in name for blank in BLANKS):
        text = f"{shown(redact_text(name))!r} holds a blank that is none to a shell; type a plain one"
        edits = [word.edit(at, at + 1, " ") for at, character in enumerate(word.text) if character in BLANKS]
        fix = Fix("type plain blanks", tuple(edit for edit in edits if edit), safe=True) if all(edits) else None
        return ReadError(text, name="unicode-dash-or-quote", span=word.span, fix=fix)
    close = table.suggest(name)
    fix = rename(word, name, close, safe=False) if close else None
    return ReadError(table.unknown(name), name="unknown-flag", span=word.span, fix=fix, flag=name)


def typographic(word: Word) -> ReadError | None:
    """A dash or a quote that a word processor made of a plain one."""
    text = shown(redact_text(word.text))
    dash = DASHED.match(word.text)
    if dash:
        plain = "--" if len(dash.group()) > 1 or dash.group() == "\u2014" or _is_long(word.text) else "-"
        edit = word.edit(0, dash.end(), plain)
        fix = Fix(f"type '{plain}'", (edit,), safe=True) if edit else None
        message = f"{text!r} starts with a typographic dash; type '{plain}'"
        return ReadError(message, name="unicode-dash-or-quote", span=word.span, fix=fix)
    if QUOTED.search(word.text):
        message = f"{text!r} has a typographic quote, which is a letter to a shell; type ' or \""
        return ReadError(message, name="unicode-dash-or-quote", span=word.span)
    return None


def _is_long(text: str) -> bool:
    """Whether a flag behind one typographic dash is a long one: word processors make one of two hyphens."""
    return len(re.split(r"[=\s]", text.lstrip(ANY_DASH))[0]) > len("dpl")


def switch_with_value(match: Match, word: Word, value: str, stray: Word | None, table: Table) -> ReadError:
    """A boolean flag that is given a value."""
    off = table.opposite(match)
    true = value.lower() in TRUE
    use = f"use {off} to turn it off" if off else "leave it out to turn it off"
    message = (
        f"{match.full} takes no value, but {shown(redact_text(value))!r} is given; {'drop the value' if true else use}"
    )
    wanted = match.full if true else off
    edit = word.edit(0, len(word.text), wanted) if wanted else None
    if wanted is None:
        fix = delete([word] if stray is None else [word, stray], f"delete {match.full}")
    elif edit is None or (stray is not None and stray.extent is None):
        fix = None
    else:
        more = () if stray is None or stray.extent is None else (Edit(stray.extent, ""),)
        fix = Fix(f"write {wanted}", (edit, *more), safe=True)
    span = cover(word.span, stray.span) if stray else word.span
    return ReadError(message, name="bool-flag-with-value", span=span, fix=fix, flag=match.full)


def bad_value(match: Match, word: Word, taken: Sequence[Word], error: BadValue, wrong: int) -> ReadError:
    """A value that an option does not take; ``wrong`` is which one of those taken."""
    item, offset = (word, len(match.written) + 1) if match.explicit is not None else (taken[wrong], 0)
    start, end = offset, len(item.text)
    if error.part:
        at = item.text.find(error.part, offset)
        start, end = (at, at + len(error.part)) if at >= 0 else (-1, -1)
    edit = item.edit(start, end, error.better) if error.better and start >= 0 else None
    fix = Fix(f"write {error.better}", (edit,), safe=error.sure) if edit else None
    span = item.span
    if start >= 0 and item.plain and item.span is not None and start >= item.added:
        span = item.span.part(start - item.added, end - item.added)
    elif match.explicit is None:
        span = cover(word.span, taken[-1].span)
    return ReadError(f"{match.full}: {error}", name=error.name, span=span, fix=fix, flag=match.full)


def is_split(taken: Sequence[Word], following: Sequence[Word]) -> bool:
    """Whether a shell took a JSON object apart at its blanks: it opens a brace and goes on in further words."""
    start = taken[0].text.strip() if len(taken) == 1 else ""
    return len(following) > 1 and not following[1].open and start.startswith("{") and not start.endswith("}")


def split_json(match: Match, word: Word, following: Sequence[Word]) -> ReadError:
    """A JSON object without quotes around it."""
    message = f"{match.full}: the shell splits this JSON at its blanks and drops its quotes; put it in single quotes"
    span = cover(word.span, following[-1].span)
    return ReadError(message, name="invalid-json-argument", span=span, flag=match.full)


def joined(word: Word) -> tuple[ReadError, str, str] | None:
    """A flag and its value in one word, which no shell split: the mistake, the flag and the value."""
    parts = re.match(r"(--[\w.-]+)(\s+)(.*)", word.text, re.DOTALL)
    if parts is None:
        return None
    flag = parts[1].replace("_", "-")
    single = " " not in parts[3].strip() and bool(parts[3].strip())
    edit = word.edit(len(parts[1]), len(parts[1]) + len(parts[2]), "=") if single else None
    fix = Fix("join them with '='", (edit,), safe=True) if edit else None
    message = f"{parts[1]} and its value are one argument; make them two or join them with '='"
    error = ReadError(message, name="flag-and-value-in-one-item", span=word.span, fix=fix, flag=parts[1])
    return error, flag, parts[3].strip()


def stray_words(words: Sequence[Word], hidden: set[int], *, model: bool) -> ReadError:
    """Words that belong to no flag. ``model``: the first may stand for a model where none may stand free."""
    first = words[0]
    text = MASK if id(first) in hidden else shown(redact_text(first.text))
    span = cover(first.span, words[-1].span)
    if model and re.fullmatch(r"[\w.-]*/[\w./-]+", first.text):
        edit = first.edit(0, 0, "--model=")
        fix = Fix("write --model= before it", (edit,), safe=False) if edit else None
        message = f"{text!r} is not read as the model here: vLLM would serve its default; write --model {text}"
        return ReadError(message, name="extra-argument", span=span, fix=fix)
    message = f"{text!r} belongs to no flag and is not the model; delete it or quote the value that it is part of"
    return ReadError(message, name="extra-argument", span=span)


def duplicates(settings: Sequence[Setting], table: Table) -> list[Notice]:
    """Options that stand twice in one file. What a command says over a config file is meant so."""
    last: dict[str, Setting] = {}
    earlier: dict[str, list[Setting]] = {}
    for setting in settings:
        before = last.get(setting.flag)
        if before is not None and not table.collects(setting.flag) and _same_file(before, setting):
            earlier.setdefault(setting.flag, []).append(before)
        last[setting.flag] = setting
    notices = []
    for flag, others in earlier.items():
        option = table.options.get(flag)
        many = option is not None and is_list(option)
        fix = None if many else delete([word for other in others for word in other.words], "delete the earlier one")
        cure = "write all values behind one" if many else "delete the others"
        text = f"--{flag} is given more than once: the last one wins; {cure}"
        notices.append(Notice("duplicate-flag", text, last[flag].span, fix, f"--{flag}", last[flag].words))
    return notices


def _same_file(one: Setting, other: Setting) -> bool:
    return (one.span.file if one.span else "") == (other.span.file if other.span else "")
