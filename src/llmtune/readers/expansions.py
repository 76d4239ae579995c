"""Raw words of a shell text to fields: variables with a known value are written out, the rest become holes.

Every character of a field knows where it is written, so that ``MODEL=x; vllm serve $MODEL`` is reported where ``x`` is.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from llmtune.readers.numbers import counted
from llmtune.readers.shell_parts import ASSIGNMENT
from llmtune.readers.shell_values import Field, Value, Variables, is_many
from llmtune.readers.shell_words import MASK, lex_operand
from llmtune.spec.word import END, HOLE, hole, is_unknown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from llmtune.readers.shell_parts import Part, RawWord

DEEPEST = 8  # defaults of variables in defaults of variables
LONGEST = 1 << 16  # characters of one value: ``A=$A$A`` doubles it
MOST_FIELDS = 4096
BLANKS = re.compile(rf"(?:{MASK}|[^\s{HOLE}])+")
ONLY_HOLE = re.compile(MASK)


def expand(word: RawWord, variables: Variables, text: str, *, flag: str | None = None) -> list[Field]:
    """The fields that a word becomes: one, none (``$EMPTY``), or many (``$ARGS``). ``flag`` is the word before it."""
    builder = _Builder(variables, text, flag)
    for part in word.parts:
        builder.part(part)
    return builder.done()


def assigned(word: RawWord, variables: Variables, text: str) -> Value:
    """The value of an assignment ``name=value``: not split."""
    if word.items is not None:
        fields = [item for raw in word.items for item in expand(raw, variables, text)]
        return Value(tuple(fields[:MOST_FIELDS]), array=True)
    head = ASSIGNMENT.match(text, word.start)
    builder = _Builder(variables, text, None, split=False)
    for part in word.parts:
        builder.part(part)
    found = builder.done() or [Field("")]
    skipped = head.end() - word.start if head else 0
    return Value((Field(found[0].text[skipped:], found[0].offsets[skipped:]),))


class _Builder:
    """Puts fields together from parts."""

    def __init__(
        self, variables: Variables, text: str, flag: str | None, *, split: bool = True, depth: int = 0
    ) -> None:
        self.variables = variables
        self.text = text
        self.flag = flag
        self.split = split
        self.depth = depth
        self.fields: list[Field] = []
        self.pieces: list[tuple[str, Sequence[int]]] | None = None
        self.open = False
        self.size = 0

    def done(self) -> list[Field]:
        """The fields."""
        self.close()
        return self.fields

    def close(self) -> None:
        """End the open field."""
        if self.pieces is None:
            return
        text, offsets = self.pieces[0]
        if len(self.pieces) > 1:
            text = "".join(piece for piece, _ in self.pieces)
            offsets = [offset for _, part in self.pieces for offset in part]
        self.variables.spend(len(text) + 8)
        self.fields.append(Field(text, offsets, self.open and bool(ONLY_HOLE.fullmatch(text))))
        self.pieces, self.open = None, False

    def add(self, text: str, offsets: Sequence[int]) -> None:
        """Text that stays together."""
        self.pieces = self.pieces or []
        self.size += len(text)
        if self.size > LONGEST:
            if self.size - len(text) > LONGEST:
                return
            text, offsets = hole("..."), [-1] * len(hole("..."))
        self.pieces.append((text, offsets))

    def add_split(self, found: Field) -> None:
        """Text that falls apart at its blanks."""
        if not self.split:
            self.add(found.text, found.offsets)
            return
        at = 0
        for match in BLANKS.finditer(found.text):
            if match.start() > at:
                self.close()
            at = match.end()
            if len(self.fields) < MOST_FIELDS:
                self.add(match.group(), found.offsets[match.start() : at])
                self.open = found.open or self.hides_many(match.group())
        if at < len(found.text):
            self.close()

    def hides_many(self, text: str) -> bool:
        """Whether a text is a hole that may hide several words."""
        flag = self.fields[-1].text if self.fields else self.flag
        return bool(ONLY_HOLE.fullmatch(text)) and is_many(text[1:-1], self.variables.many, flag)

    def part(self, part: Part) -> None:
        """Add one part."""
        if self.size > LONGEST:
            return
        if part.kind == "text":
            offsets: Sequence[int] = range(part.start, part.start + len(part.text))
            self.add(part.text, offsets if part.verbatim else [part.start] + [-1] * (len(part.text) - 1))
        elif part.kind == "variable" and self.depth < DEEPEST and self.variables.spend(1):
            self.variable(part)
        else:
            self.hidden(part)

    def hidden(self, part: Part, *, many: bool | None = None) -> None:
        """Add what is not known, as it is written."""
        written = hole(self.text[part.start : part.end].replace(HOLE, "").replace(END, ""))
        offsets = [part.start] + [-1] * (len(written) - 1)
        if part.quoted or not self.split:
            self.add(written, offsets)
            self.open = bool(many) and not part.quoted
        else:
            self.add_split(Field(written, offsets, open=bool(many)))

    def variable(self, part: Part) -> None:
        """Add a variable's value, or what its operator makes of it."""
        value = self.variables.get(part.name)
        if part.index in {"@", "*"} and (value is None or (not value.array and is_unknown(value.text))):
            self.rest_of_arguments(part)
            return
        filled = value is not None and (value.text or (part.index and value.fields))
        counts = value is not None and bool(filled or not part.operator.startswith(":"))
        match part.operator.removeprefix(":"):
            case "+" if value is None or is_unknown(value.text):
                self.hidden(part, many=not part.quoted)
            case "+":
                self.operand(part, wanted=counts)
            case "-" | "=" if value is None:
                self.default(part)
            case "-" | "=" if not counts:
                self.operand(part, wanted=True)
            case _ if value is None:
                self.hidden(part)
            case _:
                self.value(part, value)

    def rest_of_arguments(self, part: Part) -> None:
        """``"$@"`` or an array of which nothing is known: whatever the caller or another file gives."""
        self.add(hole(self.text[part.start : part.end]), [part.start] + [-1] * (part.end - part.start + 1))
        self.open = part.index == "@" or not part.quoted

    def default(self, part: Part) -> None:
        """``${X:-default}``; an empty default is there for a value that comes from outside."""
        if part.inner[1] == part.inner[0]:
            self.hidden(part)
            return
        self.operand(part, wanted=True)
        if part.operator.endswith("="):
            alone = _Builder(self.variables, self.text, None, split=False, depth=self.depth)
            alone.operand(part, wanted=True)
            self.variables.setdefault(part.name, Value(tuple(alone.done()) or (Field(""),)))

    def operand(self, part: Part, *, wanted: bool) -> None:
        """The word behind an operator."""
        if not wanted:
            return
        self.depth += 1
        for piece in lex_operand(self.text, part):
            if piece.kind == "text" and not piece.quoted and not part.quoted:
                self.add_split(Field(piece.text, range(piece.start, piece.start + len(piece.text))))
            else:
                self.part(piece)
        self.depth -= 1

    def value(self, part: Part, value: Value) -> None:
        """The value of a variable that is set."""
        if part.index in {"@", "*"} and value.array:
            self.items(part, value.fields)
            return
        if part.index not in {"", "0", "@", "*"}:
            self.item(part, value)
            return
        found = value.fields[0] if value.fields else Field("")
        if part.quoted:
            self.add(found.text, found.offsets)
        else:
            self.add_split(found)

    def item(self, part: Part, value: Value) -> None:
        """``${args[1]}``."""
        known = value.array and not any(item.open for item in value.fields)
        at = counted(part.index)
        if known and at is not None and at < len(value.fields):
            found = value.fields[at]
            (self.add if part.quoted else lambda *_: self.add_split(found))(found.text, found.offsets)
        else:
            self.hidden(part)

    def items(self, part: Part, fields: Sequence[Field]) -> None:
        """``"${args[@]}"`` one field each; without quotes they fall apart at blanks; ``[*]`` in quotes is one text."""
        if not fields and part.quoted and self.pieces is not None and not any(text for text, _ in self.pieces):
            self.pieces = None  # no field at all, not an empty one
        for at, item in enumerate(fields):
            if len(self.fields) > MOST_FIELDS:
                return
            if at and part.index == "*" and part.quoted:
                self.add(" ", [-1])
            elif at:
                self.close()
            if part.quoted:
                self.add(item.text, item.offsets)
                self.open = item.open
            else:
                self.add_split(item)
