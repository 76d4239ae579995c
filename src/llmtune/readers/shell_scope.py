"""One shell text's commands as words, with the variables that are set so far."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING

from llmtune.readers.expansions import assigned, expand
from llmtune.readers.numbers import counted
from llmtune.readers.shell import Command, Texts, text_of
from llmtune.readers.shell_parts import ASSIGNMENT
from llmtune.readers.shell_values import Field, Value, Variables, outside
from llmtune.readers.shell_words import MOST_WORDS, lex, lex_quoted
from llmtune.spec.finding import Edit, Fix, Notice
from llmtune.spec.server import Variable
from llmtune.spec.span import Span
from llmtune.spec.word import Word, hole

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from llmtune.readers.shell_parts import RawCommand, RawWord
    from llmtune.readers.source import Excerpt

DECLARATIONS = frozenset({"export", "declare", "typeset", "local", "readonly"})
SETTERS = frozenset({"read", "mapfile", "readarray", "getopts", "printf"})
USED = re.compile(r"\$\{?([A-Za-z_]\w*)")
SPOKEN = re.compile(r"^[ \t]*(?:(?:echo|printf|log\w*|info)\b|#)[^\n]*$", re.MULTILINE)
BLANKS = re.compile(r"[ \t]*")
ENVIRONMENT_OF_TOOLS = re.compile(r"activate\b|bashrc|profile|conda\.sh|cargo/env|nvm\.sh|setvars\.sh|set_env\.sh")
MOST_VARIABLES = 500
POSITIONAL = ("@", *"123456789")


class Scope:
    """Turns the commands of one text to words, one after the other."""

    def __init__(self, excerpt: Excerpt, known: Mapping[str, str]) -> None:
        """Take a text, and the variables that are known from outside."""
        self.excerpt = excerpt
        self.text = excerpt.text
        self.variables = Variables({name: Value((outside(text),)) for name, text in known.items()})
        self.exported: dict[str, Variable] = {}
        self.exports_all = False
        self.places: dict[str, list[tuple[int, int]]] = {}  # where a variable is assigned

    @cached_property
    def uses(self) -> Counter[str]:
        """How often a variable is used, in messages not counted."""
        return Counter(USED.findall(SPOKEN.sub("", self.text)))

    def lex(self, start: int, stop: int) -> RawCommand:
        """The raw words of the command at a place."""
        return lex(self.text, start, stop)

    def take(self, raw: RawCommand) -> Command | None:
        """A command's words; assignments are done and give none."""
        words = raw.words
        count = next((at for at, word in enumerate(words) if not ASSIGNMENT.match(word.head)), len(words))
        front, rest = words[:count], words[count:]
        if not rest or rest[0].head in DECLARATIONS:
            for word in front:
                self._assign(word, export=self.exports_all)
            self._declare(rest)
            return None
        own = {variable.name: variable for variable in map(self._in_front, front)}
        found = self._words(rest)
        if not found:
            return None
        given = [word for word, _, _ in found]
        self._builtin(given)
        texts = Texts(self.excerpt, [(item, start) for _, item, start in found])
        variables = {**self.exported, **own}
        span = self.excerpt.span(words[0].start, rest[-1].end)
        return Command(tuple(given), tuple(variables.values()), span, texts, tuple(self._notices(raw)))

    def body(self, start: int, end: int) -> Excerpt:
        """A here-document's text as the file will have it."""
        found = expand(lex_quoted(self.text, start, end), self.variables, self.text)
        return text_of(self.excerpt, found[0] if found else Field(""), start)

    def _assign(self, word: RawWord, *, export: bool) -> None:
        head = ASSIGNMENT.match(word.head)
        if head is None or len(self.variables) > MOST_VARIABLES:
            return
        name, value = head[1], assigned(word, self.variables, self.text)
        old = self.variables.get(name)
        if head[2]:  # args[2]=x
            self.variables.hide(name, old, value)
        elif head[3]:
            self.variables[name] = _appended(name, old, value)
        else:
            self.variables[name] = value
            self.variables.many.pop(name, None)
        self.places.setdefault(name, []).append((word.start, word.end))
        if export or name in self.exported:
            extent = self._extent(word.start, word.end)
            self.exported[name] = self._variable(name, self.variables[name], word, extent)

    def _declare(self, words: Sequence[RawWord]) -> None:
        """``export X=1``, ``local X=1``, ``declare -x X``."""
        options = [word.head for word in words[1:] if word.head.startswith("-")]
        export = self.exports_all or any("x" in option for option in options)
        export = export or (bool(words) and words[0].head == "export")
        for word in words[1:]:
            head = ASSIGNMENT.match(word.head)
            name = head[1] if head else word.head
            if head:
                self._assign(word, export=export)
            elif export and name in self.variables and name not in self.exported:
                self.exported[name] = self._variable(name, self.variables[name], word, None)
            if head and export and len(words) == 2 and name in self.exported:  # noqa: PLR2004 - export X=1
                self.exported[name] = self._with_line(words[0], self.exported[name])

    def _with_line(self, declaration: RawWord, variable: Variable) -> Variable:
        """An ``export X=1`` goes with its line, where it has one for itself."""
        span = variable.word.span
        start = self.excerpt.span(declaration.start, declaration.end)
        if span is None or span.end_line != start.line:
            return variable
        line = self.excerpt.source.line(start.line)
        alone = not line[: start.column - 1].strip() and line[span.end_column - 1 :].strip()[:1] in {"", "#"}
        whole = Span(start.file, start.line, 1, start.line + 1, 1)
        return replace(variable, word=replace(variable.word, extent=whole)) if alone else variable

    def _in_front(self, word: RawWord) -> Variable:
        """An assignment in front of a command; the blanks behind it go with it."""
        head, blanks = ASSIGNMENT.match(word.head), BLANKS.match(self.text, word.end)
        extent = self._span(word.start, blanks.end() if blanks else word.end)
        return self._variable(head[1] if head else "", assigned(word, self.variables, self.text), word, extent)

    def _variable(self, name: str, value: Value, word: RawWord, extent: Span | None) -> Variable:
        text = f"{name}={value.text}"
        plain = self.text[word.start : word.end] == text and self.excerpt.is_plain(word.start, word.end)
        return Variable(name, value.text, Word(text, self.excerpt.span(word.start, word.end), extent, plain))

    def _words(self, raws: Sequence[RawWord]) -> list[tuple[Word, Field, int]]:
        """The words, each with its field and where its raw word starts."""
        found: list[tuple[Word, Field, int]] = []
        for raw in raws[:MOST_WORDS]:
            part = raw.parts[0] if len(raw.parts) == 1 else None
            if part is not None and part.kind == "text" and part.verbatim and not part.quoted:
                item = Field(part.text, range(part.start, part.end))
                plain = part.end == raw.end and self.excerpt.is_plain(part.start, part.end)
                extent = self._extent(raw.start, raw.end)
                found.append((Word(part.text, self.excerpt.span(raw.start, raw.end), extent, plain), item, raw.start))
                continue
            flag = found[-1][0].text if found else None
            fields = expand(raw, self.variables, self.text, flag=flag)
            found += [(self._word(item, raw, len(fields)), item, raw.start) for item in fields]
            if len(found) > MOST_WORDS:
                break
        return found

    def _word(self, item: Field, raw: RawWord, count: int) -> Word:
        """A word that is not spelled as it is meant: quoted, or what a variable holds."""
        names = [part.name for part in raw.parts if part.kind == "variable"]
        extent = self._extent(raw.start, raw.end) if count == 1 else None
        place = item.place
        if not names or place is None:
            plain = place == (raw.start, raw.end) and self.excerpt.is_plain(raw.start, raw.end)
            return Word(item.text, self.excerpt.span(raw.start, raw.end), extent, plain, item.open)
        here = any(start <= place[0] and place[1] <= end for start, end in self.places.get(names[0], ()))
        once = here and len(names) == 1 and self.uses[names[0]] == 1
        if count > 1 and once:
            extent = self._item(*self._with_quotes(*place))
        return Word(item.text, self.excerpt.span(*place), extent, once and self.excerpt.is_plain(*place), item.open)

    def _with_quotes(self, start: int, end: int) -> tuple[int, int]:
        """A place with the quotes around it: an array's item."""
        before, behind = self.text[max(0, start - 1) : start], self.text[end : end + 1]
        return (start - 1, end + 1) if before == behind and before in {"'", '"'} else (start, end)

    def _item(self, start: int, end: int) -> Span | None:
        """An array's item with the blanks before it, or with its line where it has one of its own."""
        first = len(self.text[:start].rstrip(" \t"))
        alone = self.text.endswith("\n", 0, first) and self.text[end : end + 1] in {"\n", "\r"}
        carriage = self.text.endswith("\r\n", 0, first)
        return self._span(first - 1 - carriage, end) if alone else self._extent(start, end)

    def _extent(self, start: int, end: int) -> Span | None:
        """A word with the blanks and the continued lines before it."""
        text = self.text
        while start > 0:
            if text[start - 1] in " \t":
                start -= 1
            elif text.endswith("\\\n", 0, start):
                start -= 2
            elif text.endswith("\\\r\n", 0, start):
                start -= 3
            else:
                break
        return self._span(start, end)

    def _span(self, start: int, end: int) -> Span | None:
        """A span that may be deleted: the file has these characters in this order."""
        offsets = self.excerpt.offsets
        if not isinstance(offsets, range) and not all(one < two for one, two in pairwise(offsets[start:end])):
            return None
        return self.excerpt.span(start, end)

    def _builtin(self, words: Sequence[Word]) -> None:
        """Commands that set variables."""
        texts = [word.text for word in words]
        name = texts[0]
        if name == "unset":
            for text in texts[1:]:
                self.variables.pop(text, None)
                self.exported.pop(text, None)
        elif name in {"source", "."} and len(words) > 1 and not ENVIRONMENT_OF_TOOLS.search(texts[1]):
            self.exported[""] = Variable("", hole(""), words[1], secret=True)  # those of a file that is not read
        elif name in SETTERS:
            for text in texts[1:] if name != "printf" else texts[2:3] if texts[1:2] == ["-v"] else []:
                if text.isidentifier():
                    self.variables.hide(text)
        elif name == "shift":
            self._shift(texts[1] if len(texts) > 1 else "1")
        elif name == "set" and "--" in texts:
            items = tuple(outside(word.text, open=word.open) for word in words[texts.index("--") + 1 :])
            self.variables["@"] = Value(items, array=True)
        elif name == "set" and {"-a", "+a", "allexport"} & set(texts):
            self.exports_all = not {"+a", "+o"} & set(texts)

    def give(self, fields: Sequence[Field] | None) -> None:
        """The arguments of a function or of the script; None for those that are not known."""
        for key in POSITIONAL:
            self.variables.pop(key, None)
        if fields is None:
            return
        self.variables["@"] = Value(tuple(fields), array=True)
        if not any(item.open for item in fields):
            self.variables.update({str(at): Value((item,)) for at, item in enumerate(fields[:9], 1)})

    def _shift(self, count: str) -> None:
        """``shift 2``: the first arguments are gone."""
        given = self.variables.get("@")
        number = counted(count)
        if given is None or number is None or any(item.open for item in given.fields):
            self.give(None)
        else:
            self.give(given.fields[number:])

    def _notices(self, raw: RawCommand) -> list[Notice]:
        notices = []
        if raw.broken is not None:
            notices.append(self._broken(raw.broken))
        if raw.open is not None:
            piece = self.text[raw.open]
            message = f"{piece} is never closed; close the quote" if piece in "'\"" else f"{piece} is never closed"
            message = "a backslash ends the text; delete it" if piece == "\\" else message
            notices.append(Notice("open-quote", message, self.excerpt.span(raw.open, raw.open + 1)))
        return notices

    def _broken(self, at: int) -> Notice:
        """A backslash that does not end its line."""
        blanks = BLANKS.match(self.text, at + 1)
        end = blanks.end() if blanks else at + 1
        if self.text[end : end + 1] == "#":
            message = "the backslash does not end its line, so the command ends here; move the comment"
            return Notice("broken-continuation", message, self.excerpt.span(at, end))
        message = "the backslash has blanks behind it, so the command ends here; delete them"
        fix = Fix("delete the blanks behind the backslash", (Edit(self.excerpt.span(at + 1, end), ""),), safe=True)
        return Notice("broken-continuation", message, self.excerpt.span(at, end), fix)


def _appended(name: str, old: Value | None, value: Value) -> Value:
    """``args+=(...)`` and ``args+=...``; what was there before is not known where nothing sets it."""
    if value.array:
        before = old.fields if old is not None else ()
        return Value((*before, *value.fields) if len(before) < MOST_WORDS else before, array=True)
    head = old.fields[0] if old is not None and old.fields else outside(hole(f"${name}"))
    tail = value.fields[0]
    return Value((Field(head.text + tail.text, [*head.offsets, *tail.offsets]),))
