"""What variables of a shell text hold, character by character, and what a hidden one may hold."""

from __future__ import annotations

import re
from dataclasses import field
from typing import TYPE_CHECKING

from llmtune.spec.record import dataclass
from llmtune.spec.word import hole

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MOST_WORK = 500_000  # characters that all variables of a text may be written out to
HIDDEN_NAME = re.compile(r"\$\{?!?([A-Za-z_]\w*|[0-9@*])")
MANY = re.compile(
    r"(^|_)(ARGS?|ARGUMENTS|ARGV|FLAGS?|OPTS?|OPTIONS?|EXTRAS?|PARAMS?|PARAMETERS|SETTINGS|ADDITIONAL|COMMAND|CMD|REST)(_|\d*$)",
    re.IGNORECASE,
)
ONE = re.compile(
    r"(^|_)(MODEL|REPO|ID|PORT|HOST|ADDR|ADDRESS|IP|NAME|ALIAS|PATH|DIR|DIRECTORY|FILE|ROOT|HOME|CONFIG|TEMPLATE|URL|KEY|TOKEN"
    r"|SECRET|TP|PP|DP|EP|SIZE|LEN|LENGTH|CTX|CONTEXT|TOKENS|SEQS|NUM|N|COUNT|MAX|MIN|GPUS?|UTIL|UTILIZATION|MEM|MEMORY"
    r"|FRACTION|RATIO|DTYPE|TYPE|FORMAT|QUANT|QUANTIZATION|PARSER|BACKEND|REVISION|VERSION|TAG|IMAGE|RANK|NODES?|SEED"
    r"|LEVEL|METHOD|MODE|LOG|CHECKPOINT|CKPT|SNAPSHOT|CONC|CONCURRENCY|BATCH|SPACE)\d*$|MODEL",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Field:
    """A text, and for each of its characters where it is written: -1 where that is elsewhere.

    ``open``: it stands for any number of words.
    """

    text: str
    offsets: Sequence[int] = field(default=(), repr=False)
    open: bool = False

    @property
    def place(self) -> tuple[int, int] | None:
        """Where the text stands in one piece, character by character."""
        if isinstance(self.offsets, range) and self.text:
            return self.offsets[0], self.offsets[0] + len(self.text)
        start = self.offsets[0] if self.text else -1
        whole = start >= 0 and all(offset == start + at for at, offset in enumerate(self.offsets))
        return (start, start + len(self.text)) if whole else None


def outside(text: str, *, open: bool = False) -> Field:  # noqa: A002 - as the field is called
    """A text that is not written in this one."""
    return Field(text, [-1] * len(text), open)


@dataclass(frozen=True, slots=True)
class Value:
    """What a variable holds: one field, or an array's."""

    fields: tuple[Field, ...]
    array: bool = False

    @property
    def text(self) -> str:
        """A scalar's text; an array's first item, as ``$args`` gives it."""
        return self.fields[0].text if self.fields else ""


class Variables(dict[str, Value]):
    """Variables that are known to be set. ``many``: whether one that is set to what is not known may be many words."""

    def __init__(
        self,
        known: dict[str, Value] | None = None,
        many: dict[str, bool] | None = None,
        work: list[int] | None = None,
    ) -> None:
        super().__init__(known or {})
        self.many: dict[str, bool] = many or {}
        self.work = work if work is not None else [0]  # characters written out so far, shared by all copies

    def spend(self, work: int) -> bool:
        """Whether there may be more: a text that makes its variables grow and grow is not written out any further."""
        self.work[0] += work
        return self.work[0] < MOST_WORK

    def copy(self) -> Variables:
        """A second set."""
        return Variables(dict(self), dict(self.many), self.work)

    def hide(self, name: str, *candidates: Value | None) -> None:
        """Set a variable to what is not known; ``candidates`` are values that it may have."""
        texts = [item.text for value in candidates if value for item in value.fields]
        array = any(value.array for value in candidates if value)
        if texts:
            several = any(text.startswith("-") or re.search(r"\s", text.strip()) for text in texts)
            self.many[name] = several or (array and len(texts) > 1)
        self[name] = Value((outside(hole(f"${name}"), open=array),), array)


def is_many(written: str, many: Mapping[str, bool] | None = None, flag: str | None = None) -> bool:
    """Whether what ``written`` hides may be several words, as far as its name tells.

    ``many`` says it of variables whose possible values are known; ``flag`` is the word before it.

    >>> is_many("$EXTRA_ARGS"), is_many("$MODEL"), is_many("$X"), is_many("$X", flag="--port")
    (True, False, True, False)
    """
    found = HIDDEN_NAME.match(written)
    if found:
        name = found[1]
        if many and name in many:
            return many[name]
        if name in {"@", "*"} or MANY.search(name):
            return True
        if re.match(r":?\+", written[found.end() :]):
            return True
        if name.isdigit() or ONE.search(name):
            return False
    if written.startswith("$(("):
        return False
    return not (flag is not None and flag.startswith("-") and "=" not in flag)
