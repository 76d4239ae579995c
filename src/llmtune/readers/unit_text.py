"""Texts of units: sections, entries, words and variables as in systemd.syntax(7) and systemd.service(5).

No shell reads them: ``$X`` as a word of its own falls apart at blanks, ``${X}`` does not, ``%i`` is filled in by
systemd. Quadlet units of Podman are written the same way.
"""

from __future__ import annotations

import re
from dataclasses import field
from typing import TYPE_CHECKING

from llmtune.readers.filling import Filler
from llmtune.readers.shell import Command
from llmtune.readers.shell_words import MOST_WORDS
from llmtune.readers.source import Excerpt
from llmtune.spec.record import dataclass
from llmtune.spec.server import Variable
from llmtune.spec.surroundings import UNKNOWN, Fact
from llmtune.spec.word import Word, hole, is_unknown

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from llmtune.readers.source import Source
    from llmtune.spec.span import Span

LONGEST = 100_000  # characters, of a unit and of a command with its variables filled in
SECTION = re.compile(r"^[ \t]*\[(\w[\w-]*)\][ \t]*\r?$", re.MULTILINE)
SCRIPT = re.compile(r"\.(?:ba|z|k)?sh$", re.IGNORECASE)
ENTRY = re.compile(r"[ \t]*([A-Za-z][\w-]*)[ \t]*=[ \t]*")
PIECE = re.compile(r"""(?P<blank>\s+)|(?P<escape>\\[\s\S])|(?P<quote>["'])|(?P<plain>[^\s\\"']+|[\s\S])""")
ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "s": " ", "a": "\a", "b": "\b", "f": "\f", "v": "\v"}
VARIABLE = re.compile(r"\$(?:(\$)|\{([A-Za-z_]\w*)\}|([A-Za-z_]\w*))|%(%|[A-Za-z])")
LONE = re.compile(r"\$([A-Za-z_]\w*)")
PREFIXES = "-@:+!|"
SECONDS = re.compile(r"(\d{1,18}(?:\.\d{1,9})?)\s*(ms|s|sec|m|min|h|hr)?(?=\s|\d|$)")
UNITS = {"ms": 0.001, "": 1.0, "s": 1.0, "sec": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "hr": 3600.0}
BYTES = re.compile(r"(\d{1,18}(?:\.\d{1,9})?)\s*([KMGT]?)")


@dataclass(slots=True)
class Unit:
    """The entries of ``[Service]`` by key, each a text with its places."""

    entries: dict[str, list[Excerpt]] = field(default_factory=dict)

    def all(self, key: str) -> list[Excerpt]:
        """Every entry of a key; an empty one forgets those before it."""
        found: list[Excerpt] = []
        for entry in self.entries.get(key, ()):
            if entry.text.strip():
                found.append(entry)
            else:
                found.clear()
        return found

    def last(self, key: str) -> Excerpt | None:
        """The entry that counts."""
        found = self.all(key)
        return found[-1] if found else None


def has_section(source: Source, name: str) -> bool:
    """Whether a text is a unit with a section; a script may write one."""
    if source.text.startswith("#!") or SCRIPT.search(source.title):
        return False
    return any(match[1] == name for match in SECTION.finditer(source.text))


def read_section(source: Source, name: str) -> Unit:
    """The entries of a section: of ``[Service]``, ``[Container]``."""
    unit, text = Unit(), source.text
    at, section = 0, ""
    while at < len(text):
        end = text.find("\n", at)
        end = len(text) if end < 0 else end
        line = text[at:end].strip()
        header = SECTION.fullmatch(line)
        entry = ENTRY.match(text, at, end)
        if header:
            section = header[1]
        elif entry and line[0] not in "#;":
            value, end = _value(source, entry.end())
            if section == name:
                unit.entries.setdefault(entry[1], []).append(value)
        at = end + 1
    return unit


def _value(source: Source, at: int) -> tuple[Excerpt, int]:
    """A value with the lines that continue it; comments between them are left out. Returns also where it ends."""
    text = source.text
    pieces: list[str] = []
    offsets: list[int] = []
    while True:
        end = text.find("\n", at)
        end = len(text) if end < 0 else end
        line = text[at:end].rstrip("\r")
        continued = line.endswith("\\")
        kept = line[:-1] + " " if continued else line
        if not (pieces and line.lstrip()[:1] in {"#", ";"}):
            pieces.append(kept)
            offsets += range(at, at + len(kept))
        elif not continued:
            continued = True  # a comment between continued lines continues them
        if not continued or end >= len(text):
            return Excerpt(source, "".join(pieces), [*offsets, end]), end
        at = end + 1


@dataclass(slots=True)
class Piece:
    """A word while it is read: what it says, where each character stands, and where it is written."""

    start: int
    end: int = 0
    kept: list[tuple[str, int]] = field(default_factory=list)
    simple: bool = True  # no quotes, no escapes


def pieces_of(excerpt: Excerpt) -> list[Piece]:
    """The words of a value; one whose quote never closes ends with it."""
    found: list[Piece] = []
    word: Piece | None = None
    quote = ""
    for match in PIECE.finditer(excerpt.text):
        kind, piece, start = match.lastgroup, match.group(), match.start()
        if kind == "blank" and not quote:
            word = None
            continue
        if word is None:
            word = Piece(start)
            found.append(word)
        word.end = match.end()
        if kind == "quote" and quote in {"", piece}:
            quote, word.simple = "" if quote else piece, False
        elif kind == "escape":
            said = ESCAPES.get(piece[1], piece[1] if piece[1] in "\\\"'$%;#" else piece)
            word.kept += [(character, start) for character in said]
            word.simple = False
        else:
            word.kept += [(character, start + at) for at, character in enumerate(piece)]
    return found


def command_of(entry: Excerpt, known: Mapping[str, str], prefixes: str = PREFIXES) -> Command:
    """An ``ExecStart=`` as a command; ``prefixes`` may stand before its program."""
    words: list[Word] = []
    texts: list[Excerpt] = []
    pieces = pieces_of(entry)
    size = 0
    for at, piece in enumerate(pieces[:MOST_WORDS]):
        if size > LONGEST:
            break
        written = "".join(character for character, _ in piece.kept)
        skipped = len(written) - len(written.lstrip(prefixes)) if at == 0 else 0
        places = [entry.offsets[place] for _, place in piece.kept[skipped:]]
        text = Excerpt(entry.source, written[skipped:], [*places, entry.offsets[piece.end]])
        filled = _filled(text, known)
        size += len(filled.text)
        span, extent = _span(entry, piece, skipped), _extent(entry, pieces, at)
        plain = piece.simple and filled.text == text.text and entry.is_plain(piece.start + skipped, piece.end)
        lone = LONE.fullmatch(text.text)
        if lone and not is_unknown(filled.text):
            for part in re.finditer(r"\S+", filled.text):
                words.append(Word(part.group(), span, extent))
                texts.append(filled.part(part.start(), part.end()))
        else:
            words.append(Word(filled.text, span, extent, plain, bool(lone)))
            texts.append(filled)
    return Command(tuple(words), (), whole(entry), tuple(texts))


def _filled(text: Excerpt, known: Mapping[str, str]) -> Excerpt:
    """A word with its variables and specifiers filled in; ``$X`` inside a word is left to a shell."""
    if "$" not in text.text and "%" not in text.text:
        return text
    filler, at = Filler(text), 0
    for match in VARIABLE.finditer(text.text):
        filler.copy(at, match.start())
        at = match.end()
        name = match[2] or (match[3] if match.group() == text.text else "") or ""
        if match[1] or match[4] == "%":
            filler.copy(match.start() + 1, at)
        elif name in known and len(filler.offsets) < LONGEST:
            filler.replace(match.start(), at, known[name])
        elif name or match[4]:
            filler.hide(match.start(), at)
        else:
            filler.copy(match.start(), at)
    filler.copy(at, len(text.text))
    return filler.done()


def environment_of(unit: Unit) -> list[Variable]:
    """What ``Environment=`` sets and ``EnvironmentFile=`` may set."""
    found = []
    for entry in unit.all("Environment"):
        pieces = pieces_of(entry)
        for at, piece in enumerate(pieces):
            name, equals, value = "".join(character for character, _ in piece.kept).partition("=")
            if equals:
                text = re.sub(r"%([A-Za-z])", lambda match: hole(match.group()), value.replace("%%", "%\0")).replace(
                    "\0", ""
                )
                extent = _line(entry) if len(pieces) == 1 else _extent(entry, pieces, at)
                plain = piece.simple and entry.is_plain(piece.start, piece.end)
                word = Word(f"{name}={value}", _span(entry, piece), extent, plain)
                found.append(Variable(name, text, word))
    files = unit.all("EnvironmentFile")  # a variable without a name stands for those that are not read
    return [*found, *(Variable("", hole(""), Word(item.text.strip(), whole(item)), secret=True) for item in files)]


def _span(entry: Excerpt, piece: Piece, skipped: int = 0) -> Span:
    return entry.span(piece.start + skipped, piece.end)


def _extent(entry: Excerpt, pieces: Sequence[Piece], at: int) -> Span | None:
    """A word with the blanks and the continued lines before it."""
    piece = pieces[at]
    start = entry.offsets[pieces[at - 1].end - 1] + 1 if at else entry.offsets[piece.start]
    between = entry.source.text[start : entry.offsets[piece.start]]
    if between.strip(" \t\r\n\\"):
        return None  # a comment
    return entry.source.span(start, entry.offsets[piece.end - 1] + 1)


def whole(entry: Excerpt) -> Span:
    """Where an entry's value stands."""
    return entry.span(0, len(entry.text.rstrip()))


def _line(entry: Excerpt) -> Span | None:
    """The line of an entry."""
    first, last = entry.span(0, 0).line, entry.span(len(entry.text), len(entry.text)).line
    if first != last:
        return None
    span = entry.span(0, len(entry.text))
    return type(span)(span.file, first, 1, first + 1, 1)


def text_fact(entry: Excerpt | None) -> Fact[str] | None:
    """An entry as a fact."""
    return None if entry is None else Fact(entry.text.strip(), whole(entry))


def seconds_fact(entry: Excerpt | None) -> Fact[int] | None:
    """A time span in seconds: ``90``, ``1min 30s``."""
    if entry is None:
        return None
    parts = SECONDS.findall(entry.text)
    total = sum(float(number) * UNITS[unit] for number, unit in parts)
    return Fact(int(total) if parts else UNKNOWN, whole(entry))


def bytes_fact(entry: Excerpt | None) -> Fact[int] | None:
    """A size in bytes: ``8G``."""
    if entry is None:
        return None
    match = BYTES.fullmatch(entry.text.strip())
    powers = {"": 0, "K": 1, "M": 2, "G": 3, "T": 4}
    found = int(float(match[1]) * 1024 ** powers[match[2]]) if match else UNKNOWN
    return Fact(found, whole(entry))
