"""What vLLM does to its arguments before argparse sees them: one spelling, and dotted keys folded into JSON.

As in vLLM 0.33.0, utils/argparse_utils.py, FlexibleArgumentParser.parse_args.
"""

from __future__ import annotations

import json
import re
from dataclasses import field, replace
from typing import TYPE_CHECKING, Any

from llmtune.readers import ReadError
from llmtune.readers.values import loose
from llmtune.spec.record import dataclass
from llmtune.spec.span import Span
from llmtune.spec.word import HOLE, Word, is_unknown, shown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from llmtune.readers.options import Table

NEGATIVE = re.compile(r"-\d+|-\d*\.\d+")
DEEPEST = 32  # sub-keys within sub-keys; the deepest that an engine has is three
NAME = re.compile(r"--[^.=]*")


@dataclass(slots=True)
class Spelled:
    """Words as argparse gets them. ``parts`` has for a word that was put together the words it is made of."""

    words: list[Word]
    parts: dict[int, list[Word]] = field(default_factory=dict)
    problems: list[ReadError] = field(default_factory=list)


def spell(tokens: Sequence[Word], table: Table) -> Spelled:
    """The words in one spelling: dashes in the names of long flags, ``-O3`` in its long form, dotted keys folded."""
    spelled = Spelled([])
    for index, token in enumerate(tokens):
        text = token.text
        if text.startswith("--"):
            match = NAME.match(text)
            name = match.group() if match else "--"
            same = "_" not in name
            spelled.words.append(token if same else replace(token, text=name.replace("_", "-") + text[len(name) :]))
        elif text.startswith("-O") and len(text) > len("-O") and table.takes_level(text):
            flag, level = table.optimization(text[2:].removeprefix("="))
            spelled.words += [Word(flag, token.span), Word(level, token.span)]
            spelled.parts[id(spelled.words[-2])] = [token]
        elif text == "-O" and tokens[index + 1 : index + 2] and tokens[index + 1].text in {"0", "1", "2", "3"}:
            spelled.words.append(Word(table.optimization("")[0], token.span))
        else:
            spelled.words.append(token)
    return _fold(spelled)


def cover(first: Span | None, last: Span | None) -> Span | None:
    """The span from the start of one to the end of another, or the first where that makes no sense."""
    if first is None or last is None or first.file != last.file:
        return first
    if (last.line, last.column) < (first.line, first.column):
        return first
    return Span(first.file, first.line, first.column, last.end_line, last.end_column)


@dataclass(slots=True)
class _Folded:
    """One JSON option that is written key by key."""

    value: dict[str, Any] = field(default_factory=dict)
    words: list[Word] = field(default_factory=list)
    hidden: bool = False


def _fold(spelled: Spelled) -> Spelled:
    """``--a.b 1 --a.c+ x,y`` to ``--a '{"b": 1, "c": ["x", "y"]}'`` behind everything else."""
    kept: list[Word] = []
    folded: dict[str, _Folded] = {}
    rest = iter(spelled.words)
    for token in rest:
        name, equals, text = token.text.partition("=")
        if not token.text.startswith("-") or "." not in name or " " in name:  # with a blank: its value is in it, too
            kept.append(token)
            continue
        if NEGATIVE.fullmatch(token.text):
            message = f"vLLM takes {token.text} for a flag with sub-keys; write --flag={token.text}"
            spelled.problems.append(ReadError(message, name="invalid-number", span=token.span))
            continue
        head, *keys = name.removesuffix("+").split(".")
        if len(keys) > DEEPEST:
            message = f"{shown(head)} has more than {DEEPEST} sub-keys within each other"
            spelled.problems.append(ReadError(message, name="invalid-json-argument", span=token.span))
            continue
        words = [token]
        if not equals:
            value = next(rest, None)
            if value is None:
                spelled.problems.append(ReadError(f"{name} needs a value", name="missing-value", span=token.span))
                continue
            text = value.text
            words.append(value)
        item: Any = list(text.split(",")) if name.endswith("+") else loose(text)
        for key in reversed(keys):
            item = {key: item}
        entry = folded.setdefault(head, _Folded())
        _merge(entry.value, item)
        entry.words += words
        entry.hidden |= is_unknown(token.text + text)
    for head, entry in folded.items():
        span = cover(entry.words[0].span, entry.words[-1].span)
        text = json.dumps(entry.value, ensure_ascii=False) + (HOLE if entry.hidden else "")
        kept += [Word(head, span), Word(text, span)]
        spelled.parts[id(kept[-2])] = entry.words
    return Spelled(kept, spelled.parts, spelled.problems)


def _merge(old: dict[str, Any], new: dict[str, Any]) -> None:
    for key, value in new.items():
        if isinstance(value, dict) and isinstance(old.get(key), dict):
            _merge(old[key], value)
        elif isinstance(value, list) and isinstance(old.get(key), list):
            old[key] = old[key] + value
        else:
            old[key] = value
