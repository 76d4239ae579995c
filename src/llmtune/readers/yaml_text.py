"""YAML's text beside its tree: templates made harmless before parsing, and where each character of a scalar stands."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from llmtune.spec.word import END, FILLER, HOLE

if TYPE_CHECKING:
    from collections.abc import Sequence

ONLY_TEMPLATES = re.compile(r"^[ \t]*(-[ \t]+)?(?:\{\{(?:(?!\}\}).)*+\}\}[ \t]*+)++(#.*)?$")  # takes nothing back
LONGEST_ESCAPES = {"x": 2, "u": 4, "U": 8}
HOLES = frozenset({HOLE, END, FILLER})
ESCAPED = frozenset("'\"")  # styles that write some characters as two
RUN = re.compile(r"[^ \t\r\n]+|[ \t\r\n]")
NOTHING: frozenset[str] = frozenset()
ESCAPING = {"'": frozenset("'"), '"': frozenset("\\"), "|": NOTHING, ">": NOTHING}  # characters that are written as two


def mask_templates(text: str) -> str:
    """The text with every ``{{ ... }}`` as a hole of the same length; lines of templates alone become blank."""
    if "{{" not in text:
        return text

    lines = []
    for line in text.split("\n"):
        only = ONLY_TEMPLATES.match(line)
        lines.append(" " * len(line) if only and not only[1] else _mask(line))
    return _mask("\n".join(lines))


def _mask(text: str) -> str:
    """Every template a hole. Each search starts where the last one ended, so that many braces take no longer."""
    parts, at = [], 0
    while (start := text.find("{{", at)) >= 0 and (end := text.find("}}", start + 2)) >= 0:
        inner = "".join(character if character == "\n" else FILLER for character in text[start + 1 : end + 1])
        parts += [text[at:start], HOLE, inner, END]
        at = end + 2
    return "".join((*parts, text[at:]))


def align(value: str, node: Any, raw: str) -> Sequence[int]:
    """For every character of a scalar's value its offset in the file: both texts are walked side by side."""
    at, end = node.start_mark.index, node.end_mark.index
    if node.style in {"|", ">"}:
        at = raw.find("\n", at) + 1
    elif node.style in {"'", '"'}:
        at, end = at + 1, end - 1
    if raw.startswith(value, at, end) and "\n" not in value and not ESCAPING.get(node.style, NOTHING) & set(value):
        return range(at, at + len(value) + 1)
    offsets: list[int] = []
    for run in RUN.findall(value):
        start = _next(run[0], at, end, raw, node.style)
        if node.style not in ESCAPED and raw.startswith(run, start, end):
            offsets += range(start, start + len(run))
            at = start + len(run)
            continue
        for character in run:
            at = _next(character, at, end, raw, node.style)
            offsets.append(min(at, end))
            at += _length(character, at, raw, node.style)
    offsets.append(min(at, end) if offsets else at)
    return offsets


def _next(character: str, at: int, end: int, raw: str, style: str | None) -> int:
    """Where a character of the value stands, from ``at`` on: indentation and folded lines are skipped."""
    if at >= end:
        return end
    here = raw[at]
    if style == '"' and raw[at : at + 2] == "\\\n":
        at += 2
        while at < end and raw[at] in " \t":
            at += 1
        return _next(character, at, end, raw, style)
    if here == character or character in HOLES or (style == '"' and here == "\\"):
        return at
    if character in " \n" and here in " \t\r\n":
        return at
    while at < end and raw[at] in " \t\r\n":
        at += 1
    return at


def _length(character: str, at: int, raw: str, style: str | None) -> int:
    """How many characters of the file spell one of the value."""
    here = raw[at : at + 2]
    if style == '"' and here[:1] == "\\":
        return 2 + LONGEST_ESCAPES.get(here[1:], 0)
    if style == "'" and here == "''":
        return 2
    if character == "\n" and here == "\r\n":
        return 2
    if character == " " and here[:1] in {"\n", "\r"} and style != "|":
        rest = len(raw) - at
        stop = next((step for step in range(rest) if raw[at + step] not in " \t\r\n"), rest)
        return max(stop, 1)
    return 1
