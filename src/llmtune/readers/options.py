"""Which option of a release an argument names: exactly, abbreviated, negated, by a short name or by the inverse."""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.readers.values import BadValue
from llmtune.spec.engine import Option
from llmtune.spec.record import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llmtune.spec.engine import EngineVersion

HELP = Option("help", "bool", flag_only=True, aliases=("-h",))


@dataclass(frozen=True, slots=True)
class Match:
    """An option that was found: as written, in full, whether it says yes or no, and what stood behind ``=``."""

    option: Option
    written: str
    full: str
    sense: bool = True
    explicit: str | None = None


class Table:
    """The option strings of one release."""

    def __init__(self, engine: EngineVersion) -> None:
        """Spell out every option of a release."""
        self.release = engine.requested or engine.release
        self.options = engine.options
        self.names: dict[str, tuple[Option, bool]] = {}
        for option in (HELP, *engine.options.values()):
            self.names |= {name: (option, sense) for name, sense in _spellings(option)}

    def find(self, text: str) -> Match | None:
        """The option that an argument names, or None when it names none.

        Raises:
            BadValue: when it is a prefix of more than one.

        """
        if not text.startswith("-") or text == "-":
            return None
        name, equals, value = text.partition("=")
        if text in self.names:
            return self._match(text, text, None)
        if equals and name in self.names:
            return self._match(name, name, value)
        candidates = list(self._prefixed(text, name, value if equals else None))
        if len({self.names[full][0].flag + str(self.names[full][1]) for _, full, _ in candidates}) > 1:
            listed = ", ".join(sorted({full for _, full, _ in candidates})[:8])
            raise BadValue("ambiguous-abbreviation", f"{name} could be {listed}; write the flag in full")
        return self._match(*candidates[0]) if candidates else None

    def negative(self, option: Option) -> str | None:
        """The flag that turns a switch off."""
        return f"--no-{option.flag}" if option.negatable else None

    def collects(self, flag: str) -> bool:
        """Whether each occurrence of a flag adds a value instead of replacing the one before."""
        option = self.options.get(flag)
        return option is not None and option.append

    def optimization(self, level: str) -> tuple[str, str]:
        """``-O<level>`` in this release's long form: flag and value. Sub-keys are folded later."""
        if "optimization-level" in self.options:
            return "--optimization-level", level
        return "--compilation-config.level", level

    def unknown(self, text: str) -> str:
        """What to say about a flag that is in no spelling of this release's table."""
        from difflib import get_close_matches  # noqa: PLC0415 - only an error needs it

        name = text.partition("=")[0]
        short = name[1:] if name[1:] in self.names else None
        longs = [spelling for spelling in self.names if not self.names[spelling][0].deprecated]
        close = [short] if short else get_close_matches(name, longs, n=1, cutoff=0.7)
        hint = f"Did you mean {close[0]}?" if close else "Delete it, or name the release that has it."
        return f"vLLM {self.release} has no flag {name}. {hint}"

    def _match(self, written: str, full: str, explicit: str | None) -> Match:
        option, sense = self.names[full]
        return Match(option, written, full, sense, explicit)

    def _prefixed(self, text: str, name: str, value: str | None) -> Iterator[tuple[str, str, str | None]]:
        if text.startswith("--"):
            yield from ((name, full, value) for full in self.names if full.startswith(name) and len(name) > len("--"))
            return
        for full in self.names:
            if full == text[:2]:
                yield full, full, text[2:]  # -q4 is -q with the value 4
            elif full.startswith(text):
                yield text, full, None


def _spellings(option: Option) -> Iterator[tuple[str, bool]]:
    long = [option.flag, *(alias for alias in option.aliases if not alias.startswith("-"))]
    for name in long:
        yield f"--{name}", True
        if option.negatable:
            yield f"--no-{name}", False
    yield from ((alias, True) for alias in option.aliases if alias.startswith("-"))
    inverse = option.inverse
    if inverse:
        yield f"--{inverse}", False
