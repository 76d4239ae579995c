"""One argument list of ``vllm serve`` to settings, with the semantics of argparse and of vLLM's extensions to it.

Three steps, as the engine takes them (vLLM 0.33.0, utils/argparse_utils.py, FlexibleArgumentParser.parse_args):
spellings are made equal (``--a_b``, ``-O3``), dotted sub-keys are folded into one JSON argument at the end, and
argparse consumes what is left. Traded for simplicity: short flags cannot be bundled, and a dataclass option's inner
keys are not checked.
"""

from __future__ import annotations

import json
import re
from dataclasses import field
from typing import TYPE_CHECKING, Any

from llmtune.readers import Notice, ReadError
from llmtune.readers.options import Match, Table
from llmtune.readers.secrets import MASK, is_secret, redact_text
from llmtune.readers.values import BadValue, convert, is_list, loose
from llmtune.spec.deployment import Setting, Span
from llmtune.spec.record import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from llmtune.spec.deployment import Value
    from llmtune.spec.engine import EngineVersion, Option

NEGATIVE = re.compile(r"-\d+|-\d*\.\d+")
TRUTH = frozenset({"true", "false", "yes", "no", "on", "off", "1", "0"})


@dataclass(frozen=True, slots=True)
class Token:
    """One argument and where it was written."""

    text: str
    span: Span | None = None


@dataclass(frozen=True, slots=True)
class Arguments:
    """What an argument list says: its positional arguments and its settings in their order."""

    positionals: tuple[Token, ...]
    settings: tuple[Setting, ...]
    warnings: tuple[Notice, ...]


def parse(tokens: Iterable[Token | str], engine: EngineVersion, *, positionals: int = 1) -> Arguments:
    """Parse the arguments after ``vllm serve``; ``positionals`` is how many may stand free (the model).

    Raises:
        ReadError: for the first argument that this release refuses; ``others`` holds the rest.

    """
    given = [token if isinstance(token, Token) else Token(token) for token in tokens]
    table = Table(engine)
    parser = _Parser(table, _fold_dotted(_spell(given, table)))
    parser.run()
    parser.problems += [_extra(token, parser) for token in parser.free[positionals:]]
    raise_all(parser.problems)
    warnings = (*parser.warnings, *_duplicates(parser.settings))
    return Arguments(tuple(parser.free), tuple(_joined(parser.settings, table)), warnings)


def raise_all(problems: Sequence[ReadError]) -> None:
    """Raise the first problem with the others in it, if there is one."""
    if problems:
        first = problems[0]
        first.others = tuple(problems[1:])
        raise first


def cover(first: Span | None, last: Span | None) -> Span | None:
    """The span from the start of one to the end of another, or the first where that makes no sense."""
    if first is None or last is None or first.file != last.file:
        return first
    if (last.line, last.column) < (first.line, first.column):
        return first
    return Span(first.file, first.line, first.column, last.end_line, last.end_column)


def _spell(tokens: Sequence[Token], table: Table) -> list[Token]:
    """Underscores of long flags to dashes, up to the first dot or equals sign; ``-O3`` to its long form."""
    spelled = []
    for index, token in enumerate(tokens):
        text = token.text
        if text.startswith("--"):
            head = re.match(r"--[^.=]*", text)
            name = head.group() if head else "--"
            spelled.append(Token(name.replace("_", "-") + text[len(name) :], token.span))
        elif text.startswith("-O") and text[2:3] != "." and len(text) > len("-O"):
            spelled += [Token(part, token.span) for part in table.optimization(text[2:].removeprefix("="))]
        elif text == "-O" and tokens[index + 1 : index + 2] and tokens[index + 1].text in {"0", "1", "2", "3"}:
            spelled.append(Token(table.optimization("")[0], token.span))
        else:
            spelled.append(token)
    return spelled


def _fold_dotted(tokens: Sequence[Token]) -> list[Token]:
    """``--a.b 1 --a.c+ x,y`` to ``--a '{"b": 1, "c": ["x", "y"]}'`` behind everything else."""
    kept: list[Token] = []
    folded: dict[str, dict[str, Any]] = {}
    spans: dict[str, Span | None] = {}
    rest = iter(tokens)
    for token in rest:
        name, equals, text = token.text.partition("=")
        if not token.text.startswith("-") or "." not in name:
            kept.append(token)
            continue
        if NEGATIVE.fullmatch(token.text):
            message = f"vLLM takes {token.text} for a flag with sub-keys; write --flag={token.text}"
            raise ReadError(message, name="invalid-number", span=token.span)
        span = token.span
        if not equals:
            value = next(rest, None)
            if value is None:
                raise ReadError(f"{name} needs a value", name="missing-value", span=span)
            text, span = value.text, cover(span, value.span)
        head, *keys = name.removesuffix("+").split(".")
        item: Any = list(text.split(",")) if name.endswith("+") else loose(text)
        for key in reversed(keys):
            item = {key: item}
        _merge(folded.setdefault(head, {}), item)
        spans[head] = cover(spans.get(head, span), span)
    for head, mapping in folded.items():
        kept += [Token(head, spans[head]), Token(json.dumps(mapping), spans[head])]
    return kept


def _merge(old: dict[str, Any], new: dict[str, Any]) -> None:
    for key, value in new.items():
        if isinstance(value, dict) and isinstance(old.get(key), dict):
            _merge(old[key], value)
        elif isinstance(value, list) and isinstance(old.get(key), list):
            old[key] = old[key] + value
        else:
            old[key] = value


@dataclass(slots=True)
class _Parser:
    """argparse's loop: every token is free or an option, and an option takes the free tokens that follow it."""

    table: Table
    tokens: list[Token]
    free: list[Token] = field(default_factory=list)
    settings: list[Setting] = field(default_factory=list)
    warnings: list[Notice] = field(default_factory=list)
    problems: list[ReadError] = field(default_factory=list)
    hidden: set[int] = field(default_factory=set)  # free tokens that may belong to a secret

    def run(self) -> None:
        """Sort every token; mistakes go to ``problems``."""
        tokens, kinds = self.tokens, [self._kind(token) for token in self.tokens]
        at = 0
        while at < len(tokens):
            kind, token = kinds[at], tokens[at]
            end = next((later for later in range(at + 1, len(tokens)) if kinds[later] is not None), len(tokens))
            if kind is None:
                self.free.append(token)
                at += 1
            elif isinstance(kind, ReadError):
                self.problems.append(kind)
                at = end
            else:
                at += 1 + self._option(kind, token, tokens[at + 1 : end])

    def _kind(self, token: Token) -> Match | ReadError | None:
        """A token as an option, as a mistake, or None where it is a value or free."""
        if token.text == "--":
            return ReadError("'--' has no use here; leave it out", name="extra-argument", span=token.span)
        try:
            found = self.table.find(token.text)
        except BadValue as error:
            return ReadError(str(error), name=error.name, span=token.span)
        if found or not token.text.startswith("-") or token.text == "-":
            return found
        if NEGATIVE.fullmatch(token.text) or " " in token.text:
            return None
        return ReadError(self.table.unknown(token.text), name="unknown-flag", span=token.span)

    def _option(self, match: Match, token: Token, following: list[Token]) -> int:
        """Take an option with as many of the free tokens behind it as are its own; return their number."""
        if match.option.flag == "help":
            self._refuse(f"{match.written} asks for the help text; leave it out", "asks-for-help", token.span)
            return 0
        if match.written != match.full:
            text = (
                f"{match.written} is short for {match.full} only as long as no other flag starts so; write it in full"
            )
            self.warnings.append(Notice("abbreviated-flag", text, token.span))
        if match.option.negatable or match.option.flag_only:
            return self._switch(match, token, following)
        explicit = [] if match.explicit is None else [Token(match.explicit, token.span)]
        taken = explicit or following[: _most(match.option)]
        if len(taken) < _least(match.option) or (explicit and _least(match.option) > 1):
            self._refuse(f"{match.full} needs {_needs(match.option)}", "missing-value", token.span)
            return len(taken) if not explicit else 0
        self._convert(match, token, taken)
        if is_secret(match.option.flag):
            self.hidden.update(id(token) for token in following)
        return 0 if explicit else len(taken)

    def _switch(self, match: Match, token: Token, following: list[Token]) -> int:
        stray = following[0].text if following and following[0].text.lower() in TRUTH else None
        value = match.explicit if match.explicit is not None else stray
        if value is not None:
            off = self.table.negative(match.option)
            use = f"use {off} to turn it off" if off else "leave it out to turn it off"
            advice = "drop the value" if value.lower() in {"true", "yes", "on", "1"} else use
            message = f"{match.full} takes no value, but {redact_text(value)!r} is given; {advice}"
            self._refuse(message, "bool-flag-with-value", token.span)
            return 0 if match.explicit is not None else 1
        self.settings.append(Setting(match.option.flag, match.sense, token.span))
        return 0

    def _convert(self, match: Match, token: Token, taken: list[Token]) -> None:
        option, span = match.option, cover(token.span, taken[-1].span) if taken else token.span
        try:
            values: list[Value] = [convert(option, item.text) for item in taken]
        except BadValue as error:
            self._refuse(f"{match.full}: {error}", error.name, span)
            return
        value: Value = values if is_list(option) else values[0] if values else True
        self.settings.append(Setting(option.flag, value, span))

    def _refuse(self, message: str, name: str, span: Span | None) -> None:
        self.problems.append(ReadError(message, name=name, span=span))


def _least(option: Option) -> int:
    count = "+" if option.type == "list" and option.nargs is None else str(option.nargs or 1)
    return {"?": 0, "*": 0, "+": 1}.get(count) if count in "?*+" else int(count)  # type: ignore[return-value]


def _most(option: Option) -> int | None:
    if option.nargs in {"+", "*"} or (option.type == "list" and option.nargs is None):
        return None
    return 1 if option.nargs in {None, "?"} else int(str(option.nargs))


def _needs(option: Option) -> str:
    least = _least(option)
    return f"{least} values" if least > 1 else "at least one value" if _most(option) is None else "a value"


def _extra(token: Token, parser: _Parser) -> ReadError:
    shown = MASK if id(token) in parser.hidden else redact_text(token.text)
    if token.text[:1] in "\u2010\u2011\u2012\u2013\u2014\u2212":
        return ReadError(f"{shown!r} starts with a typographic dash; type '-'", name="unicode-dash", span=token.span)
    if token.text.startswith("--"):
        text = f"{shown.split()[0]} and its value are one argument; make them two or join them with '='"
        return ReadError(text, name="flag-and-value-in-one-item", span=token.span)
    text = f"{shown!r} belongs to no flag and is not the model; delete it or quote the value that it is part of"
    return ReadError(text, name="extra-argument", span=token.span)


def _duplicates(settings: Sequence[Setting]) -> list[Notice]:
    seen: set[str] = set()
    notices = []
    for setting in settings:
        if setting.flag in seen:
            text = f"--{setting.flag} is given more than once: the last one wins; delete the others"
            notices.append(Notice("duplicate-flag", text, setting.span))
        seen.add(setting.flag)
    return notices


def _joined(settings: Sequence[Setting], table: Table) -> list[Setting]:
    """Options that collect (``append``) as one setting with all their values, where the first one stands."""
    lists: dict[str, list[Value]] = {}
    joined: list[Setting] = []
    for setting in settings:
        if not table.collects(setting.flag):
            joined.append(setting)
        elif setting.flag in lists:
            lists[setting.flag].append(setting.value)
        else:
            lists[setting.flag] = [setting.value]
            joined.append(Setting(setting.flag, lists[setting.flag], setting.span))
    return joined
