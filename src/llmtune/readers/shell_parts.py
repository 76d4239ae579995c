"""What the words of a shell text are made of, before anything is expanded."""

from __future__ import annotations

import re
from dataclasses import field

from llmtune.spec.record import dataclass

PARAMETER = re.compile(r"(!?[A-Za-z_]\w*|[0-9]+|[@*#?$!-])(\[[^\]]*\])?(:?[-=+?])?")
NESTED = re.compile(r"""\\[\s\S]|\$\(|\$\{|[(){}'"`]|(?:(?<=\s)|^)\#[^\n]*""")
ASSIGNMENT = re.compile(r"([A-Za-z_]\w*)(\[[^\]]*\])?(\+?)=")
ANSI = re.compile(r"\\(?:x([0-9A-Fa-f]{1,2})|u([0-9A-Fa-f]{1,4})|([0-7]{1,3})|([\s\S]))|[^\\]+|\\")
ANSI_NAMES = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "f": "\f", "v": "\v", "e": "\x1b", "E": "\x1b"}
CLOSERS = {"$(": ")", "<(": ")", ">(": ")", "${": "}", "`": "`"}


@dataclass(slots=True)
class Part:
    """A piece of a word. ``kind``: text, variable (``$X``, ``${X:-y}``), hidden (``$(x)``, ``$((1 + 1))``).

    ``text`` is what a text says; ``name``, ``index``, ``operator`` and ``inner`` (where its operand stands) are a
    variable's. ``verbatim``: the file has these very characters at ``start``.
    """

    kind: str
    start: int
    end: int
    text: str = ""
    quoted: bool = False
    name: str = ""
    index: str = ""
    operator: str = ""
    inner: tuple[int, int] = (0, 0)
    verbatim: bool = True


@dataclass(slots=True)
class RawWord:
    """A word as it is written. ``items`` are those of an array, ``args=(a b)``."""

    start: int
    end: int
    parts: list[Part] = field(default_factory=list)
    items: list[RawWord] | None = None

    @property
    def head(self) -> str:
        """The text that it starts with, as far as it is neither quoted nor a variable."""
        first = self.parts[0] if self.parts else None
        return first.text if first is not None and first.kind == "text" and not first.quoted else ""


@dataclass(slots=True)
class RawCommand:
    """A command's words, where it ends, and what is wrong with how it is written."""

    words: list[RawWord] = field(default_factory=list)
    redirects: list[tuple[str, RawWord]] = field(default_factory=list)
    end: int = 0
    broken: int | None = None  # a backslash with blanks behind it at the end of a line
    open: int | None = None  # a quote or a substitution that is never closed
    comment: int | None = None  # behind the words


def parameter(braces: re.Match[str] | None, start: int, end: int, *, quoted: bool) -> Part:
    """``${X}`` and ``${X:-y}`` as a variable; what else changes a value hides it."""
    whole = braces is not None and (braces[3] or braces.end() == end - 1)
    if braces is None or not whole or braces[1].startswith("!"):
        return Part("hidden", start, end, quoted=quoted)
    index = (braces[2] or "")[1:-1] or (braces[1] if braces[1] in {"@", "*"} else "")
    inner = (braces.end(), end - 1)
    return Part("variable", start, end, "", quoted, braces[1], index, braces[3] or "", inner)


def ansi(text: str, start: int) -> list[Part]:
    """``$'...'``: its escapes are spelled out."""
    parts = []
    for match in ANSI.finditer(text):
        at, end = start + match.start(), start + match.end()
        if match.lastindex is None:
            parts.append(Part("text", at, end, match.group(), quoted=True))
            continue
        number = match[1] or match[2]
        said = chr(int(number, 16)) if number else chr(int(match[3], 8)) if match[3] else match[4]
        said = ANSI_NAMES.get(said, said) if match[4] else said.encode("utf-8", "replace").decode()
        parts.append(Part("text", at, end, said, quoted=True, verbatim=False))
    return parts or [Part("text", start, start, "", quoted=True)]


def skip(text: str, at: int, stop: int) -> int | None:
    """Where the substitution or expansion that starts at ``at`` ends; None where it does not."""
    opening = "`" if text[at] == "`" else text[at : at + 2]
    stack, at = [CLOSERS[opening]], at + len(opening)
    while stack:
        match = NESTED.search(text, at, stop)
        if match is None:
            return None
        piece, at, top = match.group(), match.end(), stack[-1]
        if piece == top:
            stack.pop()
        elif piece in {"$(", "${"} or (piece == "`" and "`" not in stack):
            stack.append(CLOSERS[piece])
        elif piece.startswith("#"):
            at = at if top == ")" else match.start() + 1
        elif top != '"' and piece in {'"', "("}:
            stack += ['"'] if piece == '"' else [")"] if top == ")" else []
        elif piece == "'" and top != '"' and not ('"' in stack and top == "}"):
            at = text.find("'", at, stop) + 1
            if at == 0:
                return None
    return at
