"""Which option of a release an argument names: exactly, abbreviated, negated, by a short name or by the inverse."""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.readers.secrets import redact_text
from llmtune.readers.values import BadValue
from llmtune.spec.engine import Option
from llmtune.spec.record import dataclass
from llmtune.spec.word import shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llmtune.spec.engine import EngineVersion

HELP = Option("help", "bool", flag_only=True, aliases=("-h",))
TABLES = 32  # releases whose tables are kept
KEPT = 1024  # unknown flags whose suggestion is kept: each costs some milliseconds
# Flags of other servers, and names that people expect, by what vLLM calls the same thing.
ELSEWHERE = {
    "--tp": "--tensor-parallel-size",
    "--tp-size": "--tensor-parallel-size",
    "--tensor-parallelism": "--tensor-parallel-size",
    "--num-shard": "--tensor-parallel-size",
    "--pp": "--pipeline-parallel-size",
    "--pp-size": "--pipeline-parallel-size",
    "--dp": "--data-parallel-size",
    "--ep": "--enable-expert-parallel",
    "--context-length": "--max-model-len",
    "--max-context-len": "--max-model-len",
    "--max-context-length": "--max-model-len",
    "--max-total-tokens": "--max-model-len",
    "--max-seq-len": "--max-model-len",
    "--ctx-size": "--max-model-len",
    "--mem-fraction-static": "--gpu-memory-utilization",
    "--max-running-requests": "--max-num-seqs",
    "--max-batch-size": "--max-num-seqs",
    "--max-concurrent-requests": "--max-num-seqs",
    "--chunked-prefill-size": "--max-num-batched-tokens",
    "--max-batch-prefill-tokens": "--max-num-batched-tokens",
    "--model-path": "--model",
    "--model-id": "--model",
    "--model-name": "--served-model-name",
    "--tokenizer-path": "--tokenizer",
    "--quantize": "--quantization",
    "--quant": "--quantization",
    "--chat-template-path": "--chat-template",
    "--lora-paths": "--lora-modules",
    "--log-requests": "--enable-log-requests",
    "--prefix-caching": "--enable-prefix-caching",
    "--eager": "--enforce-eager",
    "--random-seed": "--seed",
}


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
        self._suggested: dict[str, str | None] = {}
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

    def opposite(self, match: Match) -> str | None:
        """The flag that says the opposite; None where the switch has none."""
        if not match.sense:
            return f"--{match.option.flag}"
        return self.negative(match.option)

    def negative(self, option: Option) -> str | None:
        """The flag that turns a switch off."""
        return f"--no-{option.flag}" if option.negatable else None

    def collects(self, flag: str) -> bool:
        """Whether each occurrence of a flag adds a value instead of replacing the one before."""
        option = self.options.get(flag)
        return option is not None and option.append

    def takes_level(self, text: str) -> bool:
        """Whether ``-O...`` is a level: up to the releases with an option of its own, ``-O.key`` is a JSON key."""
        return "optimization-level" in self.options or text[2:3] != "."

    def optimization(self, level: str) -> tuple[str, str]:
        """``-O<level>`` in this release's long form: flag and value. Sub-keys are folded later."""
        if "optimization-level" in self.options:
            return "--optimization-level", level
        return "--compilation-config.level", level

    def unknown(self, text: str) -> str:
        """What to say about a flag that is in no spelling of this release's table."""
        name = text.partition("=")[0]
        close = self.suggest(name)
        hint = f"Did you mean {close}?" if close else "Delete it, or name the release that has it."
        return f"vLLM {self.release} has no flag {shown(redact_text(name))}. {hint}"

    def suggest(self, name: str) -> str | None:
        """The flag of this release that an unknown one was meant to be, if one is near enough."""
        if name not in self._suggested:
            if len(self._suggested) >= KEPT:
                self._suggested.clear()
            self._suggested[name] = self._nearest(name)
        return self._suggested[name]

    def _nearest(self, name: str) -> str | None:
        from difflib import get_close_matches  # noqa: PLC0415 - only an error needs it

        if name[1:] in self.names and name.startswith("--"):
            return name[1:]
        for other in (ELSEWHERE.get(name), f"-{name}"):
            if other in self.names:
                return other
        longs = [spelling for spelling in self.names if not self.names[spelling][0].deprecated]
        begin_so = [spelling for spelling in longs if spelling.startswith(name)]  # where nothing may be cut short
        close = begin_so if len(begin_so) == 1 else get_close_matches(name, longs, n=1, cutoff=0.8)
        return close[0] if close else None

    def values_of(self, name: str) -> int | None:
        """How many values an unknown flag takes: as an earlier or later release has it, or as its likeness here.

        None for any number; one for a flag that nothing is known of.
        """
        from llmtune.catalog import engines, history  # noqa: PLC0415 - only an error needs them

        bare = name.replace("_", "-").removeprefix("--")
        if bare.startswith(("no-", "disable-", "enable-")):
            return 0
        known = history.flag_history(bare)
        option = engines.find(known.last or known.first).options.get(known.of or bare) if known else None
        likely = self.names.get(self.suggest(name) or "")
        option = option or (likely[0] if likely else None)
        if option is None:
            return 0 if bare.startswith(("use-", "trust-", "enforce-", "skip-", "is-", "with-", "without-")) else 1
        return 0 if option.negatable or option.flag_only else most(option)

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


_TABLES: dict[int, tuple[EngineVersion, Table]] = {}


def table_of(engine: EngineVersion) -> Table:
    """The option strings of a release, made once: a run over many files asks for each of them."""
    known = _TABLES.get(id(engine))
    if known is not None and known[0] is engine:
        return known[1]
    if len(_TABLES) >= TABLES:
        del _TABLES[next(iter(_TABLES))]
    table = Table(engine)
    _TABLES[id(engine)] = engine, table
    return table


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


def least(option: Option) -> int:
    """How many values an option takes at least."""
    count = "+" if option.type == "list" and option.nargs is None else str(option.nargs or 1)
    return {"?": 0, "*": 0, "+": 1}.get(count) if count in "?*+" else int(count)  # type: ignore[return-value]


def most(option: Option) -> int | None:
    """How many values an option takes at most; None for any number."""
    if option.nargs in {"+", "*"} or (option.type == "list" and option.nargs is None):
        return None
    return 1 if option.nargs in {None, "?"} else int(str(option.nargs))


def needs(option: Option) -> str:
    """What an option takes, in words."""
    count = least(option)
    return f"{count} values" if count > 1 else "at least one value" if most(option) is None else "a value"
