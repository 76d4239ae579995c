"""What Compose does to a text before a container sees it: variables filled in, commands split into words.

Interpolation as in compose-go (template/template.go): ``${X:-default}`` nests, ``$$`` is a dollar. The ``.env`` file is
not read, so a variable without a default is a hole. Splitting as in mattn/go-shellwords, which is no shell: all that
stands behind ``;``, ``&``, ``|``, ``<`` or ``>`` is dropped, and a backslash makes even the end of a line a part of an
argument (there the words are those that are meant, and ``stray_backslashes`` says so).
"""

from __future__ import annotations

import re
from dataclasses import field
from typing import TYPE_CHECKING

from llmtune.readers.filling import Filler
from llmtune.readers.source import Excerpt
from llmtune.spec.finding import Edit, Fix, Notice
from llmtune.spec.record import dataclass
from llmtune.spec.word import END, HOLE, Word

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from llmtune.readers.yaml_tree import Yaml
    from llmtune.spec.span import Span

VARIABLE = re.compile(r"\$(?:(?P<escaped>\$)|(?P<plain>[A-Za-z_]\w*)|\{(?P<name>[A-Za-z_]\w*)(?P<operator>:?[-?+])?)")
BRACE = re.compile(r"\$\$|\$\{|\}")
MOST_WORDS = 4096  # of one command
DEEPEST = 16  # defaults within defaults; public files have two
FIELD = re.compile(rf"(?:{HOLE}[^{END}]*{END}|[^:{HOLE}])+")
TOKEN = re.compile(
    rf"""(?P<hole>{HOLE}[^{END}]*{END}?)
    | (?P<join>\\\r?\n|(?<=[ \t\n])\\(?:[ \t]|\Z))
    | (?P<escape>\\[\s\S])
    | (?P<quote>['"])
    | (?P<blank>[ \t\r\n]+)
    | (?P<stop>[;&|<>])
    | (?P<plain>[^\\'" \t\r\n;&|<>{HOLE}]+|\\)""",
    re.VERBOSE,
)


@dataclass(slots=True)
class _Interpolation:
    """Copies a text and fills in its variables."""

    filler: Filler
    closers: dict[int, int]  # where the braces of ``${`` close

    def fill(self, start: int, end: int, depth: int = 0) -> None:
        """Take characters with their variables filled in."""
        text, at = self.filler.original.text, start
        while at < end:
            dollar = text.find("$", at, end)
            self.filler.copy(at, dollar if dollar >= 0 else end)
            at = self._variable(dollar, end, depth) if dollar >= 0 else end

    def _variable(self, start: int, end: int, depth: int) -> int:
        """What stands at a dollar; return where the text goes on."""
        match = VARIABLE.match(self.filler.original.text, start, end)
        close = self.closers.get(start, end) + 1
        if match is None or (match["name"] and close > end):
            self.filler.copy(start, start + 1)
            return start + 1
        if match["escaped"]:
            self.filler.copy(start + 1, start + 2)
        elif match["plain"]:
            self.filler.hide(start, match.end())
        elif match["operator"] in {"-", ":-"} and match.end() < close - 1 and depth < DEEPEST:
            self.fill(match.end(), close - 1, depth + 1)
            return close
        else:
            self.filler.hide(start, close)
            return close
        return match.end()


def filled(node: Yaml) -> str:
    """The text of a scalar with its variables filled in."""
    return interpolate(node.excerpt).text if "$" in node.text else node.text


def fields(text: str) -> list[str]:
    """What colons part, as in ``8000:80``; those in a hole do not."""
    return FIELD.findall(text)


def interpolate(excerpt: Excerpt) -> Excerpt:
    """A text with its variables filled in; those without a default are holes, also where the default is empty."""
    if "$" not in excerpt.text:
        return excerpt
    filler = Filler(excerpt)
    _Interpolation(filler, _closers(excerpt.text)).fill(0, len(excerpt.text))
    return filler.done()


def _closers(text: str) -> dict[int, int]:
    """For every ``${`` where its brace closes."""
    found: dict[int, int] = {}
    open_: list[int] = []
    for match in BRACE.finditer(text):
        if match.group() == "${":
            open_.append(match.start())
        elif match.group() == "}" and open_:
            found[open_.pop()] = match.start()
    return found


@dataclass(slots=True)
class _Piece:
    """A word while it is read: ``kept`` are the places in the text of the characters that it is made of."""

    start: int
    kept: list[int] = field(default_factory=list)
    end: int = 0
    simple: bool = True  # no quotes, no backslash


def split(excerpt: Excerpt) -> list[tuple[Word, Excerpt]]:
    """A command as Compose splits it: its words, each with its text, which may be a script."""
    pieces = _pieces(excerpt.text)
    found = []
    for at, piece in enumerate(pieces):
        text = "".join(excerpt.text[place] for place in piece.kept)
        offsets = [*(excerpt.offsets[place] for place in piece.kept), excerpt.offsets[piece.end]]
        plain = piece.simple and bool(text) and excerpt.is_plain(piece.start, piece.end)
        hidden = piece.simple and text.startswith(HOLE)
        word = Word(text, _span(excerpt, piece), _extent(excerpt, pieces, at), plain, hidden)
        found.append((word, Excerpt(excerpt.source, text, offsets)))
    return found


def stray_backslashes(excerpt: Excerpt) -> Iterator[Notice]:
    """A notice for each backslash that is meant to continue a line: it makes a line end or a blank an argument."""
    message = "Compose is no shell: this backslash makes what follows it a part of an argument; leave it out"
    for kind, start, _, quote in _tokens(excerpt.text):
        if kind == "join" and not quote:
            span = excerpt.span(start, start + 1)
            fix = Fix("leave out the backslash", (Edit(span, ""),), safe=True)
            yield Notice("broken-continuation", message, span, fix)


def _tokens(text: str) -> Iterator[tuple[str, int, int, str]]:
    """The kinds and places of a command's pieces, each with the quote that it stands in."""
    quote, at = "", 0
    while match := TOKEN.match(text, at):
        start, at, kind = match.start(), match.end(), str(match.lastgroup)
        if quote == "'" and kind in {"escape", "join"}:
            kind, at = "plain", start + 1  # a backslash is one of its characters
        yield kind, start, at, quote
        if kind == "quote" and quote in {"", match.group()}:
            quote = "" if quote else match.group()


def _pieces(text: str) -> list[_Piece]:
    """The words of a command; one whose quote never closes ends with the text."""
    pieces: list[_Piece] = []
    word: _Piece | None = None
    for kind, start, end, quote in _tokens(text):
        if kind in {"blank", "stop", "join"} and not quote:
            pieces += [word] if word is not None else []
            word = None
            if kind == "stop" or len(pieces) > MOST_WORDS:
                break
            continue
        word = word or _Piece(start)
        word.end = end
        if kind in {"escape", "join"}:
            word.kept += range(start + 1, end)
            word.simple = False
        elif kind == "quote" and quote in {"", text[start]}:
            word.simple = False
        else:
            word.kept += range(start, end)
    return pieces if word is None else [*pieces, word]


def _last(excerpt: Excerpt, piece: _Piece) -> int:
    """Where a word ends in the file: with the end of ``${X:-default}`` where the default is a part of it."""
    last = excerpt.offsets[piece.end - 1] + 1
    return last if excerpt.source.text[last : last + 1] != "}" else max(last, excerpt.offsets[piece.end])


def _span(excerpt: Excerpt, piece: _Piece) -> Span:
    """Where a word stands; where it is the default of a variable and nothing else, only that."""
    first, last = excerpt.offsets[piece.start], excerpt.offsets[piece.end - 1] + 1
    return excerpt.source.span(first, last if _in_one_piece(excerpt, piece) else _last(excerpt, piece))


def _in_one_piece(excerpt: Excerpt, piece: _Piece) -> bool:
    """Whether the file has nothing between the characters of a word."""
    return excerpt.offsets[piece.end - 1] - excerpt.offsets[piece.start] == piece.end - piece.start - 1


def _extent(excerpt: Excerpt, pieces: Sequence[_Piece], at: int) -> Span | None:
    """A word with the blanks before it, or behind it where it is the first; None where more would have to go."""
    piece, raw = pieces[at], excerpt.source.text
    first, last = excerpt.offsets[piece.start], _last(excerpt, piece)
    start = _last(excerpt, pieces[at - 1]) if at > 0 else first
    stop = excerpt.offsets[pieces[1].start] if at == 0 and len(pieces) > 1 else last
    alone = not raw[start:first].strip() and not raw[last:stop].strip() and "\n" not in raw[first:last]
    return excerpt.source.span(start, stop) if alone else None
