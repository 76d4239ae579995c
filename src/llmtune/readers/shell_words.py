"""One simple command of a shell text as raw words: POSIX token recognition, nothing expanded yet.

The grammar (``shell``) says where commands start; this says where their words and the pieces of the words stand. It is
iterative and linear in the text, whatever is nested in it.
"""

from __future__ import annotations

import re

from llmtune.readers.shell_parts import ASSIGNMENT, PARAMETER, Part, RawCommand, RawWord, ansi, parameter, skip
from llmtune.spec.word import END, HOLE

MASK = f"{HOLE}[^{HOLE}{END}]*{END}"
PIECE = re.compile(
    rf"""(?P<hole>{MASK})
    | (?P<join>\\\r?\n)
    | (?P<broken>\\[ \t]+(?=\r?\n|\#))
    | (?P<escape>\\[\s\S])
    | '(?P<single>[^']*)'
    | \$'(?P<ansi>(?:[^'\\]|\\[\s\S])*)'
    | (?P<double>\$?")
    | (?P<dollar>[$`])
    | (?P<process>[<>]\()
    | (?P<redirect>&>>?|<<<|<<-?|>>|>\||[<>]&|<>|[<>])
    | (?P<end>[\n;&|()])
    | (?P<blank>[ \t\r]+)
    | (?P<open>['\\])
    | (?P<plain>[^\s'"\\<>;&|()$`{HOLE}]+|[^\n])
    """,
    re.VERBOSE,
)
IN_DOUBLE = re.compile(
    rf"""(?P<hole>{MASK}) | (?P<join>\\\r?\n) | (?P<escape>\\["\\$`]) | (?P<dollar>[$`]) | (?P<quote>")
    | (?P<plain>[^"\\$`{HOLE}]+|[\s\S])""",
    re.VERBOSE,
)
MOST_WORDS = 4096  # of one command; the longest public one has a hundred
SEPARATORS = frozenset({"blank", "end", "redirect", "broken", "open"})
NAME = re.compile(r"\$([A-Za-z_]\w*|[0-9@*#?$!_-])")


def lex(text: str, at: int, stop: int, *, array: bool = False) -> RawCommand:
    """The command that starts at ``at``; in an array the ends of lines are blanks."""
    return _Lexer(text, stop, array=array).run(at)


def lex_plain(text: str) -> list[RawWord]:
    """A text's words where no shell reads it: ``;``, ``&``, ``<`` and ``(`` are letters, as in a Dockerfile."""
    return _Lexer(text, len(text), array=True, operators=False).run(0).words


def lex_quoted(text: str, at: int, stop: int) -> RawWord:
    """A here-document's body as one word: variables and substitutions, no quotes."""
    lexer = _Lexer(text, stop)
    word = RawWord(at, stop)
    lexer.double(at, word, quote=None)
    return word


def lex_operand(text: str, part: Part) -> list[Part]:
    """The operand of ``${X:-operand}``: blanks belong to it."""
    at, stop = part.inner
    lexer, word = _Lexer(text, stop, blanks=True), RawWord(at, stop)
    if part.quoted:
        lexer.double(at, word, quote=None)
        return word.parts
    found = lexer.run(at)
    return [piece for raw in found.words for piece in raw.parts]


class _Lexer:
    """Scans from piece to piece."""

    def __init__(
        self, text: str, stop: int, *, array: bool = False, blanks: bool = False, operators: bool = True
    ) -> None:
        self.text = text
        self.stop = stop
        self.array = array
        self.operators = operators
        self.blanks = blanks
        self.found = RawCommand()
        self.word: RawWord | None = None
        self.redirect = ""

    def run(self, at: int) -> RawCommand:
        """Take pieces until the command ends."""
        while at < self.stop and len(self.found.words) <= MOST_WORDS:
            match = PIECE.match(self.text, at, self.stop)
            if match is None:
                break
            following = self.take(match)
            if following is None:
                break
            at = following
        self.close(min(at, self.stop))
        self.found.end = min(at, self.stop)
        return self.found

    def take(self, match: re.Match[str]) -> int | None:
        """Do what one piece says; return where the next begins, None where the command ends."""
        kind, start, end = str(match.lastgroup), match.start(), match.end()
        if self.blanks and kind in {"blank", "end", "redirect", "broken", "process"}:
            kind = "plain"
        if not self.operators and kind in {"end", "redirect", "process"} and match.group() != "\n":
            kind = "plain"
        match kind:
            case kind if kind in SEPARATORS:
                return self.separate(match, kind)
            case "dollar" | "process":
                return self.dollar(start, self.opened(start), quoted=False)
            case "double":
                return self.double(end, self.opened(start), quote=start)
            case "plain" if match.group().startswith("#") and self.word is None and not self.blanks:
                newline = self.text.find("\n", start, self.stop)
                self.found.comment = start
                return newline if newline >= 0 else self.stop
            case "join":
                return end
        self.text_part(match, kind)
        return end

    def separate(self, match: re.Match[str], kind: str) -> int | None:
        """A piece that ends the word in front of it."""
        start = match.start()
        if kind == "end":
            return self.end(match.group(), start)
        if kind == "redirect":
            self.redirection(match.group(), start)
            return match.end()
        self.close(start)
        if kind == "open":
            self.found.open = start
            return self.stop
        if kind == "broken":
            self.found.broken = start
            return match.end() if self.array else None
        return match.end()

    def opened(self, start: int) -> RawWord:
        """The open word; a new one where none is."""
        if self.word is None:
            self.word = RawWord(start, start)
        return self.word

    def close(self, end: int) -> None:
        """End the open word."""
        if self.word is None:
            return
        self.word.end = end
        if self.redirect:
            self.found.redirects.append((self.redirect, self.word))
        else:
            self.found.words.append(self.word)
        self.word, self.redirect = None, ""

    def text_part(self, match: re.Match[str], kind: str) -> None:
        """A piece that says itself."""
        word, start = self.opened(match.start()), match.start()
        match kind:
            case "single":
                word.parts.append(Part("text", start + 1, match.end() - 1, match["single"], quoted=True))
            case "ansi":
                word.parts += ansi(match["ansi"], start + 2)
            case "escape":
                word.parts.append(Part("text", start + 1, match.end(), match.group()[1:], quoted=True))
            case _:
                word.parts.append(Part("text", start, match.end(), match.group(), quoted=kind == "hole"))

    def end(self, piece: str, start: int) -> int | None:
        """An end of a command; ``(`` behind ``name=`` opens an array."""
        word = self.word
        opens = piece == "(" and word is not None and not self.array
        if opens and word is not None and ASSIGNMENT.fullmatch(self.text, word.start, start):
            inner = _Lexer(self.text, self.stop, array=True)
            items = inner.run(start + 1)
            word.items = items.words
            self.found.broken = items.broken if self.found.broken is None else self.found.broken
            if self.text[items.end : items.end + 1] != ")" or items.end >= self.stop:
                self.found.open = start
            return items.end + 1
        if self.array and piece != ")":
            self.close(start)
            return start + 1
        return None

    def redirection(self, piece: str, start: int) -> None:
        """A redirection: the 2 of ``2>file`` belongs to it, the next word is its target."""
        word = self.word
        if word is not None and self.text[word.start : start].isdigit():
            self.word = None
        self.close(start)
        self.redirect = piece

    def double(self, at: int, word: RawWord, *, quote: int | None) -> int:
        """What stands between double quotes; ``quote`` is where they open, None in a here-document."""
        word.parts.append(Part("text", at, at, "", quoted=True))
        while at < self.stop:
            match = IN_DOUBLE.match(self.text, at, self.stop)
            if match is None:
                break
            kind, start, at = str(match.lastgroup), match.start(), match.end()
            if kind == "quote" and quote is not None:
                return at
            if kind == "dollar":
                at = self.dollar(start, word, quoted=True)
            elif kind == "escape" and (quote is not None or match.group() != '\\"'):
                word.parts.append(Part("text", start + 1, at, match.group()[1:], quoted=True))
            elif kind != "join":
                word.parts.append(Part("text", start, at, match.group(), quoted=True))
        if quote is not None:
            self.found.open = quote
        return self.stop

    def dollar(self, start: int, word: RawWord, *, quoted: bool) -> int:
        """A variable or a substitution; a ``$`` that starts neither says itself."""
        text = self.text
        name = NAME.match(text, start, self.stop)
        if name:
            index = name[1] if name[1] in {"@", "*"} else ""
            word.parts.append(Part("variable", start, name.end(), quoted=quoted, name=name[1], index=index))
            return name.end()
        if text[start] == "$" and text[start + 1 : start + 2] not in {"(", "{"}:
            word.parts.append(Part("text", start, start + 1, "$", quoted=quoted))
            return start + 1
        end = skip(text, start, self.stop)
        if end is None:
            self.found.open = start
            return self.stop
        braces = PARAMETER.match(text, start + 2, end - 1) if text[start + 1] == "{" else None
        word.parts.append(parameter(braces, start, end, quoted=quoted))
        return end
