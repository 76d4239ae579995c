"""Shell texts: every simple command of a script in its order, with its words and the variables it is given.

tree-sitter-bash knows the grammar (where commands start, what is conditional, what a here-document is);
``shell_words`` finds the words of a command and ``expansions`` writes out what variables hold. Nothing is executed:
whatever a command prints or the caller passes is a hole (``spec.word``). Walking is iterative and bounded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field
from typing import TYPE_CHECKING, overload

from llmtune.readers import ReadError
from llmtune.readers.source import Excerpt
from llmtune.spec.record import dataclass

if TYPE_CHECKING:
    from collections.abc import Mapping

    from llmtune.readers.shell_values import Field
    from llmtune.readers.shell_walk import Walk
    from llmtune.spec.finding import Notice
    from llmtune.spec.server import Variable
    from llmtune.spec.span import Span
    from llmtune.spec.word import Word

LONGEST = 1 << 17  # characters; the largest of 140 public files has 30,000


@dataclass(frozen=True, slots=True)
class Command:
    """A simple command: its words, and the variables that it is given (exported before, or assigned in front of it).

    ``texts[i]`` is word ``i`` as a text with the place of every character, for words that are scripts themselves.
    """

    words: tuple[Word, ...]
    variables: tuple[Variable, ...] = ()
    span: Span | None = None
    texts: Sequence[Excerpt] = field(default=(), repr=False)
    notices: tuple[Notice, ...] = ()


def commands(excerpt: Excerpt, variables: Mapping[str, str] | None = None) -> list[Command]:
    """Every simple command of a shell text. ``variables`` are known from outside: an ``env:``, an ``Environment=``."""
    return walk(excerpt, variables).found


def walk(excerpt: Excerpt, variables: Mapping[str, str] | None = None) -> Walk:
    """A walk through a shell text that is done: its commands, and the files that it writes."""
    from llmtune.readers.shell_walk import Walk  # noqa: PLC0415 - it imports this module

    if len(excerpt.text) > LONGEST:
        message = f"more than {LONGEST} characters of shell; put the command of the server into a file of its own"
        raise ReadError(message, name="unreadable-file")
    done = Walk(excerpt, variables or {})
    done.run()
    return done


class Texts(Sequence[Excerpt]):
    """The words of a command as texts, made when they are asked for: few words are scripts."""

    def __init__(self, excerpt: Excerpt, fields: Sequence[tuple[Field, int]]) -> None:
        """Take the fields, each with where its word starts."""
        self.excerpt = excerpt
        self.fields = fields

    def __len__(self) -> int:
        return len(self.fields)

    @overload
    def __getitem__(self, index: int) -> Excerpt: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[Excerpt]: ...

    def __getitem__(self, index: int | slice) -> Excerpt | Sequence[Excerpt]:
        """One word's text, or those of some words."""
        if isinstance(index, slice):
            return Texts(self.excerpt, self.fields[index])
        return text_of(self.excerpt, *self.fields[index])


def text_of(excerpt: Excerpt, item: Field, start: int) -> Excerpt:
    """A field as a text of its own; what is not written in the excerpt stands where the word does."""
    base, offsets, last = excerpt.offsets, [], start
    for offset in item.offsets:
        last = offset if offset >= 0 else last
        offsets.append(base[last])
    return Excerpt(excerpt.source, item.text, [*offsets, offsets[-1] + 1 if offsets else base[start]])
