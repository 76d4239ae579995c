"""Shell text to words that know where they stand.

``shlex`` splits the same way but forgets places and joins no continued lines. What is read here: quotes, escapes,
continued lines, comments, ``;``, ``&&``, ``|`` and line ends between commands, redirections (dropped). Nothing is
expanded: ``$PORT`` stays as it is.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import field

from llmtune.readers import ReadError
from llmtune.readers.arguments import Token
from llmtune.spec.deployment import Span
from llmtune.spec.record import dataclass

PIECE = re.compile(
    r"""(?P<join>\\\r?\n)
    | (?P<broken>\\[ \t]+\r?\n)
    | (?P<escape>\\[\s\S])
    | '(?P<single>[^']*)'
    | "(?P<double>(?:[^"\\]|\\[\s\S])*)"
    | (?P<expansion>\$\((?:[^()]|\([^()]*\))*\)|\$\{[^}\n]*\}|`[^`]*`)
    | (?P<redirect>[<>][<>&|]*)
    | (?P<end>[\n;&|()]+)
    | (?P<blank>[ \t\r]+)
    | (?P<open>['"\\])
    | (?P<hash>\#)
    | (?P<plain>[^\s'"\\<>;&|()$`#]+|[$`])
    """,
    re.VERBOSE,
)
ANY = re.compile(r"(?P<plain>[\s\S])")  # blanks that are none to a shell: part of the word
IN_DOUBLE = re.compile(r'\\(?:\r?\n|([$`"\\]))')


@dataclass(slots=True)
class _Scanner:
    text: str
    file: str
    commands: list[list[Token]] = field(default_factory=lambda: [[]])
    word: list[str] | None = None  # pieces of the word that is open
    start: int = 0
    skip: bool = False  # the next word is the target of a redirection

    def __post_init__(self) -> None:
        self.lines = [0, *(match.end() for match in re.finditer("\n", self.text))]

    lines: list[int] = field(init=False, default_factory=list)

    def span(self, start: int, end: int) -> Span:
        line, last = bisect_right(self.lines, start), bisect_right(self.lines, end)
        return Span(self.file, line, start - self.lines[line - 1] + 1, last, end - self.lines[last - 1] + 1)

    def close(self, end: int) -> None:
        """End the open word."""
        if self.word is not None and not self.skip:
            self.commands[-1].append(Token("".join(self.word), self.span(self.start, end)))
        self.skip = self.skip and self.word is None
        self.word = None

    def add(self, piece: str, start: int) -> None:
        if self.word is None:
            self.word, self.start = [], start
        self.word.append(piece)


def commands(text: str, file: str) -> list[list[Token]]:
    """The commands of a shell text, each as its words.

    Raises:
        ReadError: for an open quote or a backslash with blanks behind it at the end of a line.

    """
    scanner = _Scanner(text, file)
    at = 0
    while at < len(text):
        match = PIECE.match(text, at) or ANY.match(text, at)
        at = _take(scanner, match) if match else len(text)
    scanner.close(at)
    return [words for words in scanner.commands if words]


def _take(scanner: _Scanner, match: re.Match[str]) -> int:
    """Do what one piece of text says; return where the next begins."""
    kind, piece, start, end = str(match.lastgroup), match.group(), match.start(), match.end()
    match kind:
        case "join":
            pass
        case "broken" | "open":
            raise _refused(piece, scanner.span(start, end))
        case "hash" if scanner.word is None:
            after = scanner.text.find("\n", start)
            return after if after >= 0 else len(scanner.text)
        case "redirect" | "end" | "blank":
            _separate(scanner, kind, start)
        case _:
            scanner.add(_unquoted(match, kind), start)
    return end


def _unquoted(match: re.Match[str], kind: str) -> str:
    if kind == "double":
        return IN_DOUBLE.sub(r"\1", match["double"])
    return match[kind][1:] if kind == "escape" else match[kind]


def _separate(scanner: _Scanner, kind: str, start: int) -> None:
    if kind == "redirect" and scanner.word is not None and "".join(scanner.word).isdigit():
        scanner.word = None  # the 2 of 2>file
    scanner.close(start)
    if kind == "redirect":
        scanner.skip = True
    elif kind == "end":
        scanner.skip = False
        scanner.commands.append([])


def _refused(piece: str, span: Span) -> ReadError:
    if len(piece) > 1:
        message = "the backslash has blanks behind it, so the command ends here; delete them"
        return ReadError(message, name="broken-continuation", span=span)
    message = "a backslash ends the text; delete it" if piece == "\\" else f"{piece} is never closed; close the quote"
    return ReadError(message, name="open-quote", span=span)
