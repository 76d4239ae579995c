"""One argument list of ``vllm serve`` to settings, with the semantics of argparse and of vLLM's extensions to it.

Three steps, as the engine takes them (vLLM 0.33.0, utils/argparse_utils.py, FlexibleArgumentParser.parse_args):
spellings are made equal (``--a_b``, ``-O3``), dotted sub-keys are folded into one JSON argument at the end
(``spelling``), and argparse consumes what is left. Traded for simplicity: short flags cannot be bundled. What a mistake
says and how it is mended stands in ``mistakes``.
"""

from __future__ import annotations

from dataclasses import field, replace
from typing import TYPE_CHECKING

from llmtune.readers import ReadError, mistakes
from llmtune.readers.options import Match, Table, least, most, needs, table_of
from llmtune.readers.secrets import is_secret
from llmtune.readers.shell_values import is_many
from llmtune.readers.spelling import NEGATIVE, cover, spell
from llmtune.readers.values import BadValue, convert, is_list
from llmtune.spec.deployment import Setting
from llmtune.spec.record import dataclass
from llmtune.spec.word import END, HOLE, Word, is_unknown

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from llmtune.readers.spelling import Spelled
    from llmtune.spec.deployment import Value
    from llmtune.spec.engine import EngineVersion
    from llmtune.spec.finding import Notice
    from llmtune.spec.span import Span

__all__ = ["Arguments", "cover", "parse", "raise_all", "survey"]

MOST_UNKNOWN = 100  # unknown flags that are told; to look for what is meant takes milliseconds
TRUTH = frozenset({"true", "false", "yes", "no", "on", "off", "1", "0"})


@dataclass(frozen=True, slots=True)
class Arguments:
    """What an argument list says: its positional arguments and its settings in their order.

    ``problems`` are arguments that the release refuses; a setting of which the value is refused is there, not known.
    ``open_ended``: a variable may hold further settings.
    """

    positionals: tuple[Word, ...]
    settings: tuple[Setting, ...]
    warnings: tuple[Notice, ...]
    problems: tuple[ReadError, ...] = ()
    open_ended: bool = False


def parse(tokens: Iterable[Word | str], engine: EngineVersion, *, positionals: int = 1) -> Arguments:
    """Parse the arguments after ``vllm serve``; ``positionals`` is how many may stand free (the model).

    Raises:
        ReadError: for the first argument that this release refuses; ``others`` holds the rest.

    """
    arguments = survey(tokens, engine, positionals=positionals)
    raise_all(arguments.problems)
    return arguments


def survey(tokens: Iterable[Word | str], engine: EngineVersion, *, positionals: int = 1) -> Arguments:
    """Parse the arguments as ``parse`` does, with what the release refuses in ``problems``."""
    given = [token if isinstance(token, Word) else Word(token) for token in tokens]
    table = table_of(engine)
    spelled = spell(given, table)
    parser = _Parser(table, spelled, problems=spelled.problems)
    parser.run()
    parser.judge_free(positionals)
    given_flags = {setting.flag for setting in parser.settings}
    meant = [setting for setting in parser.meant if setting.flag not in given_flags]
    return Arguments(
        positionals=tuple(parser.free),
        settings=(*_joined(parser.settings, table), *meant),
        warnings=(*parser.warnings, *mistakes.duplicates(parser.settings, table)),
        problems=tuple(parser.problems),
        open_ended=parser.open_ended,
    )


def raise_all(problems: Sequence[ReadError]) -> None:
    """Raise the first problem with the others in it, if there is one."""
    early = [problem for problem in problems if not problem.late]
    if early:
        early[0].others = tuple(early[1:])
        raise early[0]


@dataclass(slots=True)
class _Parser:
    """argparse's loop: every token is free or an option, and an option takes the free tokens that follow it."""

    table: Table
    spelled: Spelled
    free: list[Word] = field(default_factory=list)
    after: list[int] = field(default_factory=list)  # where each free token stands
    settings: list[Setting] = field(default_factory=list)
    meant: list[Setting] = field(default_factory=list)  # what misspelt flags stand for
    warnings: list[Notice] = field(default_factory=list)
    problems: list[ReadError] = field(default_factory=list)
    hidden: set[int] = field(default_factory=set)  # free tokens that may belong to a secret
    open_ended: bool = False
    unknown: int = 0  # tokens that name no option

    def run(self) -> None:
        """Sort every token; mistakes go to ``problems``."""
        tokens = self.spelled.words
        kinds = [self._kind(token) for token in tokens]
        at = 0
        while at < len(tokens):
            kind, token = kinds[at], tokens[at]
            if kind is None:
                self.free.append(token)
                self.after.append(at)
                at += 1
                continue
            end = next((later for later in range(at + 1, len(tokens)) if kinds[later] is not None), len(tokens))
            if isinstance(kind, ReadError):
                self._mistake(kind, token, tokens[at + 1 : end])
                at = end
            else:
                at += 1 + self._option(kind, token, tokens[at + 1 : end])

    def judge_free(self, positionals: int) -> None:
        """Refuse free tokens that are too many; one that a variable hides may be anything, or nothing."""
        runs: list[list[Word]] = []
        last = veiled = -2
        self.open_ended |= any(word.open and is_many(word.text.strip(HOLE + END)) for word in self.free[:positionals])
        for place, token in zip(self.after[positionals:], self.free[positionals:], strict=True):
            if token.open or is_unknown(token.text):
                self.open_ended = True
                veiled = place
            elif veiled == place - 1:
                veiled = place  # the value of a flag that is hidden
            elif not self.free[0].open or positionals == 0:
                wrong = mistakes.typographic(token)
                if wrong is not None:
                    self.problems.append(wrong)
                elif last == place - 1:
                    runs[-1].append(token)
                else:
                    runs.append([token])
                last = place
        for words in runs:
            self.problems.append(mistakes.stray_words(words, self.hidden, model=positionals == 0))

    def _kind(self, token: Word) -> Match | ReadError | None:
        """A token as an option, as a mistake, or None where it is a value or free."""
        name = token.text.partition("=")[0]
        if is_unknown(name):
            self.open_ended |= token.text.startswith("-")
            return None
        if not token.text.startswith("-"):
            return mistakes.typographic(token) if token.text.startswith(mistakes.DASHES) else None
        if token.text == "--":
            return ReadError("'--' has no use here; leave it out", name="extra-argument", span=token.span)
        try:
            found = self.table.find(token.text)
        except BadValue as error:
            return ReadError(str(error), name=error.name, span=token.span, flag=name)
        if found or token.text == "-" or NEGATIVE.fullmatch(token.text):
            return found
        self.unknown += 1
        return self._no_option(token) if self.unknown <= MOST_UNKNOWN else None

    def _no_option(self, token: Word) -> ReadError | None:
        """A token with a dash in front that names no option."""
        if " " in token.text:
            wrong = mistakes.joined(token)
            return wrong[0] if wrong else None
        return mistakes.typographic(token) or mistakes.unknown_flag(token, self.table)

    def _mistake(self, error: ReadError, token: Word, following: list[Word]) -> None:
        """Note a mistake with the words it concerns. A flag in one word with its value is read all the same."""
        error.words = (*self.spelled.parts.get(id(token), [token]), *following)
        self.problems.append(error)
        wrong = mistakes.joined(token) if error.name == "flag-and-value-in-one-item" else None
        if wrong:
            _, flag, value = wrong
            match = self.table.find(flag) if flag in self.table.names else None
            if match is not None and not match.option.negatable and not match.option.flag_only:
                self._convert(match, token, [Word(value, token.span)])
        elif error.name == "unknown-flag":
            self._unknown_flag(error, token, following)

    def _unknown_flag(self, error: ReadError, token: Word, following: list[Word]) -> None:
        """Tell an unknown flag's own words from the model behind it, and note what it was meant to be."""
        own = self.table.values_of(error.flag)
        taken = 0 if "=" in token.text else len(following) if own is None else min(own, len(following))
        error.words = (*self.spelled.parts.get(id(token), [token]), *following[:taken])
        if not self.free and following[taken:]:
            self.free.append(following[taken])  # the model, as argparse has it
            self.after.append(-1)
        meant = self.table.names.get(self.table.suggest(error.flag) or "")
        if meant is not None:
            self.meant.append(Setting(meant[0].flag, None, token.span, known=False))

    def _option(self, match: Match, token: Word, following: list[Word]) -> int:
        """Take an option with as many of the free tokens behind it as are its own; return their number."""
        option = match.option
        if option.flag == "help":
            self._refuse(f"{match.written} asks for the help text; leave it out", "asks-for-help", token)
            return 0
        if match.written != match.full:
            self.warnings.append(mistakes.abbreviated(match, token))
        if option.negatable or option.flag_only:
            return self._switch(match, token, following)
        explicit = [] if match.explicit is None else [Word(match.explicit, token.span)]
        taken = explicit or following[: most(option)]
        if len(taken) < least(option) or (explicit and least(option) > 1):
            self._refuse(f"{match.full} needs {needs(option)}", "missing-value", token)
            self._unknown(match, token, taken)
            return len(taken) if not explicit else 0
        if option.json and not explicit and mistakes.is_split(taken, following):
            self.problems.append(mistakes.split_json(match, token, following))
            self._unknown(match, token, following)
            return len(following)
        self.open_ended |= any(word.open for word in taken[1:])
        right = self._convert(match, token, taken)
        if is_secret(option.flag):
            self.hidden.update(id(token) for token in following)
        if explicit:
            return 0
        return len(taken) if right or not option.json else len(following)  # pieces of a JSON that a shell has split

    def _switch(self, match: Match, token: Word, following: list[Word]) -> int:
        stray = following[0] if following and following[0].text.lower() in TRUTH else None
        value = match.explicit if match.explicit is not None else stray.text if stray else None
        words = tuple(self.spelled.parts.get(id(token), [token]))
        if value is None:
            self.settings.append(Setting(match.option.flag, match.sense, token.span, words))
            return 0
        if is_unknown(value):
            self._unknown(match, token, [])
            return 0
        self.problems.append(mistakes.switch_with_value(match, token, value, stray, self.table))
        meant = match.sense if value.lower() in mistakes.TRUE else not match.sense
        self.settings.append(Setting(match.option.flag, meant, token.span, words))
        return 0 if match.explicit is not None else 1

    def _convert(self, match: Match, token: Word, taken: list[Word]) -> bool:
        """Note the setting; False where its value is refused."""
        option = match.option
        if any(is_unknown(item.text) for item in taken):
            self._unknown(match, token, taken)
            return True
        values: list[Value] = []
        for at, item in enumerate(taken):
            try:
                values.append(convert(option, item.text))
            except BadValue as error:
                wrong = next((found for found in map(mistakes.typographic, taken) if found), None)
                problem = wrong or mistakes.bad_value(match, token, taken, error, at)
                problem.late = wrong is None and error.late is not None
                self.problems.append(problem)
                self._unknown(match, token, taken, error.late)
                return False
        value: Value = values if is_list(option) else values[0] if values else True
        self.settings.append(Setting(option.flag, value, _span(token, taken), self._words(match, token, taken)))
        return True

    def _unknown(self, match: Match, token: Word, taken: list[Word], refused: Value = None) -> None:
        """Note a setting of which the value is not known, or one that the engine refuses."""
        words = self._words(match, token, taken)
        self.settings.append(Setting(match.option.flag, refused, _span(token, taken), words, known=False))

    def _words(self, match: Match, token: Word, taken: list[Word]) -> tuple[Word, ...]:
        parts = self.spelled.parts.get(id(token))
        return tuple(parts) if parts else (token,) if match.explicit is not None else (token, *taken)

    def _refuse(self, message: str, name: str, token: Word) -> None:
        self.problems.append(ReadError(message, name=name, span=token.span, flag=token.text.partition("=")[0]))


def _span(token: Word, taken: Sequence[Word]) -> Span | None:
    return cover(token.span, taken[-1].span) if taken else token.span


def _joined(settings: Sequence[Setting], table: Table) -> list[Setting]:
    """Options that collect (``append``) as one setting with all their values, where the first one stands."""
    joined: list[Setting] = []
    places: dict[str, int] = {}
    for setting in settings:
        at = places.get(setting.flag)
        if not table.collects(setting.flag):
            joined.append(setting)
        elif at is None:
            places[setting.flag] = len(joined)
            joined.append(replace(setting, value=[setting.value]))
        else:
            first = joined[at]
            old = first.value if isinstance(first.value, list) else []
            known = first.known and setting.known
            words = (*first.words, *setting.words)
            joined[at] = replace(first, value=[*old, setting.value], words=words, known=known)
    return joined
