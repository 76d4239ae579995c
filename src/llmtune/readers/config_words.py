"""Settings written as YAML keys to the arguments that vLLM makes of them.

Of a ``--config`` file (vLLM 0.33.0, utils/argparse_utils.py, load_config_file): ``true`` is a bare flag, ``false``
nothing, a list several values, a mapping one JSON text, everything else its text. Engine arguments by their Python
names (``engine_kwargs``) become the flags that say the same, and there ``false`` means false.
"""

from __future__ import annotations

import json
from dataclasses import field, replace
from typing import TYPE_CHECKING, Any

from llmtune.readers import ReadError, mistakes
from llmtune.readers.options import Table, table_of
from llmtune.readers.values import BadValue
from llmtune.readers.yaml_facts import entry_lines, hidden_word, hides_lines, is_hidden
from llmtune.spec.finding import Edit, Fix, Notice
from llmtune.spec.record import dataclass
from llmtune.spec.word import Word, hole

if TYPE_CHECKING:
    from llmtune.readers.options import Match
    from llmtune.readers.yaml_tree import Yaml
    from llmtune.spec.engine import EngineVersion, Option
    from llmtune.spec.server import ConfigText

TRUTH = frozenset({"true", "false", "yes", "no", "on", "off"})


def tokens(
    config: ConfigText,
    engine: EngineVersion,
    warnings: list[Notice],
    problems: list[ReadError],
    *,
    entry: str = "serve",
) -> list[Word]:
    """The arguments that the engine makes of a config, and what it drops or changes silently.

    ``entry`` is ``serve`` or ``api_server``: who loads the file.
    """
    root: Yaml = config.entries  # type: ignore[assignment]
    emitter = _Emitter(table_of(engine), engine, config.kind if config.kind == "engine" else entry, warnings, problems)
    if hides_lines(root):
        emitter.tokens.append(Word(hole(""), root.span, open=True))
    for key, value in root.entries.items():
        emitter.add(key, value)
    return emitter.tokens


@dataclass(frozen=True, slots=True)
class _Entry:
    """One ``key: value``, and the option that the key names, perhaps abbreviated."""

    key: str
    node: Yaml
    value: Any
    match: Match | None

    @property
    def option(self) -> Option | None:
        """The option, where the release has it."""
        return self.match.option if self.match else None

    @property
    def is_switch(self) -> bool:
        """Whether it is an option without a value."""
        return self.option is not None and (self.option.negatable or self.option.flag_only)

    @property
    def flag(self) -> Word:
        """The flag that the key becomes."""
        span = self.node.key_span
        plain = self.node.source.slice(span) == self.key
        return Word(f"--{self.key}", span, entry_lines(self.node), plain, added=len("--"))

    def value_word(self, text: str) -> Word:
        """A value, which can be edited where the file has these very characters."""
        plain = not self.node.style and self.node.is_text and self.node.source.slice(self.node.span) == text
        return hidden_word(Word(text, self.node.span, plain=plain))


@dataclass(slots=True)
class _Emitter:
    """Collects arguments entry by entry."""

    table: Table
    engine: EngineVersion
    entry_point: str
    warnings: list[Notice]
    problems: list[ReadError]
    tokens: list[Word] = field(default_factory=list)

    def add(self, key: str, node: Yaml) -> None:
        """The arguments of one entry."""
        try:
            value = node.value
        except (ValueError, OverflowError, TypeError) as error:
            problem = ReadError(f"'{key}' is not valid YAML: {error}", name="invalid-yaml", span=node.span)
            self.problems.append(problem)
            return
        entry = _Entry(key, node, value, self._match(key))
        if self.entry_point == "engine":
            self._engine_argument(entry)
        else:
            self._config_entry(entry)

    def _match(self, key: str) -> Match | None:
        try:
            return self.table.find(_dashed(key))
        except BadValue:
            return None

    def _switched(self, name: str) -> bool:
        return bool(self.engine.behaviour.get(f"parser.{name}", True))

    def _config_entry(self, entry: _Entry) -> None:
        if _dashed(entry.key) == "--model-tag" and entry.option is None:
            message = "vLLM takes the model of a file from 'model:' and refuses 'model_tag'; write 'model:'"
            fix = self._renamed(entry, "model", safe=True)
            self.problems.append(ReadError(message, name="config-file-shape", span=entry.flag.span, fix=fix))
            self.tokens += [Word("--model", entry.flag.span), entry.value_word(str(entry.value))]
            return
        match entry.value:
            case bool() as value if not self._switched("config_booleans") or self._has_value(entry):
                self._emit(entry, str(value))
            case bool() as value if self._is_text(entry) and entry.node.text.lower() not in {"true", "false"}:
                self._text_read_as_truth(entry, value=value)
            case True:
                self._emit(entry)
            case False:
                self._false(entry)
            case [] if self._switched("config_lists"):
                message = f"an empty list has no effect; delete '{entry.key}'"
                self.warnings.append(Notice("config-empty-list", message, entry.flag.span))
            case _ if entry.is_switch:
                self._not_a_switch(entry)
            case list() as items if self._switched("config_lists"):
                self._emit(entry, *map(str, items))
            case dict() as mapping if self._switched("config_mappings"):
                self._mapping(entry, mapping)
            case value:
                self._note_implicit_type(entry)
                self._emit(entry, str(value))

    def _is_text(self, entry: _Entry) -> bool:
        return entry.option is not None and entry.option.type in {"str", "list"} and not entry.is_switch

    def _has_value(self, entry: _Entry) -> bool:
        """A boolean with a value, in early releases. ``vllm serve`` and keys with dashes do not find it."""
        valued = entry.option is not None and entry.option.type == "bool" and not entry.is_switch
        return valued and self.entry_point == "api_server" and "-" not in entry.key

    def _engine_argument(self, entry: _Entry) -> None:
        name = _dashed(entry.key)
        if name not in self.table.names:  # Python abbreviates no names
            close = (self.table.suggest(name) or "").removeprefix("--").replace("-", "_")
            fix = self._renamed(entry, close, safe=False) if close else None
            problem = ReadError(self.table.unknown(name), name="unknown-flag", span=entry.flag.span, fix=fix, flag=name)
            problem.words = (entry.flag, entry.value_word(entry.node.text))
            self.problems.append(problem)
            return
        match entry.value:
            case None | []:
                return
            case str() as text if entry.is_switch and text.lower() in TRUTH:
                self._engine_argument(replace(entry, value=text.lower() in mistakes.TRUE))  # as pydantic reads it
            case bool() | int() if entry.is_switch and entry.match is not None and entry.option is not None:
                on = bool(entry.value) is entry.match.sense
                switch = f"--{entry.option.flag}" if on else self.table.negative(entry.option)
                if switch is not None:
                    self.tokens.append(Word(switch, entry.flag.span, entry.flag.extent))
            case _ if entry.is_switch:
                self._not_a_switch(entry)
            case list() as items:
                self._emit(entry, *map(str, items))
            case dict() as mapping:
                self._mapping(entry, mapping)
            case value:
                self._emit(entry, str(value))

    def _emit(self, entry: _Entry, *texts: str) -> None:
        self.tokens.append(entry.flag)
        self.tokens += [entry.value_word(text) for text in texts]

    def _false(self, entry: _Entry) -> None:
        negative = f"--no-{entry.key}"
        if self.entry_point == "api_server" and self._switched("config_false") and negative in self.table.names:
            self.tokens.append(Word(negative, entry.flag.span, entry.flag.extent))
            return
        if entry.option is None and not self._known(entry.key):
            self._emit(entry)  # refused as an unknown flag, which is what it is
            return
        wanted = entry.match is not None and not entry.match.sense
        if entry.option is not None and entry.option.default is wanted:
            return  # what it is without the entry, too
        instead = self._instead(entry)
        advice = f"write '{instead}'" if instead else "delete it"
        message = f"'{entry.key}: false' has no effect, vLLM drops it; {advice}"
        fix = self._rewritten(entry, instead) if instead else None
        self.warnings.append(Notice("config-false-dropped", message, entry.flag.span, fix))

    def _instead(self, entry: _Entry) -> str | None:
        """The entry that does what one with ``false`` was meant to do."""
        if entry.match is None:
            return None
        if not entry.is_switch:
            return f'{entry.key}: "false"' if entry.match.option.type == "bool" else None
        joint = "_" if "_" in entry.key and "-" not in entry.key else "-"
        if not entry.match.sense:
            return f"{entry.match.option.flag.replace('-', joint)}: true"
        return f"no{joint}{entry.key}: true" if entry.match.option.negatable else None

    def _renamed(self, entry: _Entry, key: str, *, safe: bool) -> Fix | None:
        edit = entry.flag.edit(0, len(entry.flag.text), f"--{key}")
        return Fix(f"write {key}", (edit,), safe=safe) if edit else None

    def _rewritten(self, entry: _Entry, instead: str) -> Fix | None:
        key, _, value = instead.partition(": ")
        edit = entry.flag.edit(0, len(entry.flag.text), f"--{key}")
        if edit is None or entry.node.span == entry.flag.span:
            return None
        return Fix(f"write '{instead}'", (edit, Edit(entry.node.span, value)), safe=False)

    def _known(self, key: str) -> bool:
        try:
            return self.table.find(_dashed(key).split(".")[0]) is not None
        except BadValue:
            return True

    def _not_a_switch(self, entry: _Entry) -> None:
        if is_hidden(entry.node.text):
            # Nobody knows whether the flag is there; in front, where no option takes the word for its value.
            self.tokens.insert(0, Word(hole(entry.node.text), entry.node.span, open=True))
            return
        said = entry.value.lower() if isinstance(entry.value, str) else ""
        name = "config-quoted-boolean" if said in TRUTH else "bool-flag-with-value"
        instead = self._instead(entry) if said in TRUTH - mistakes.TRUE else f"{entry.key}: true"
        advice = f"write '{instead}'" if instead and said in TRUTH else f"write '{entry.key}: true' or delete it"
        fix = self._rewritten(entry, instead) if instead and said in TRUTH else None
        message = f"'{entry.key}' takes true, nothing else; {advice}"
        self.problems.append(ReadError(message, name=name, span=entry.node.span, fix=fix))

    def _text_read_as_truth(self, entry: _Entry, *, value: bool) -> None:
        """``on`` or ``no`` for an option that takes a text or a number."""
        written = entry.node.text
        fix = Fix("put it in quotes", (Edit(entry.node.span, f'"{written}"'),), safe=False)
        if value:
            message = f"--{_dashed(entry.key)[2:]} needs a value, and YAML reads {written} as true; put it in quotes"
            self.problems.append(ReadError(message, name="missing-value", span=entry.node.span, fix=fix))
            return
        message = f"YAML reads {written} as false, and vLLM drops the entry; put it in quotes"
        self.warnings.append(Notice("yaml-implicit-type", message, entry.node.span, fix))

    def _mapping(self, entry: _Entry, mapping: dict[Any, Any]) -> None:
        try:
            self._emit(entry, json.dumps(mapping, ensure_ascii=False))
        except (TypeError, ValueError) as error:
            message = f"'{entry.key}' has a value that JSON does not have ({error}); put it in quotes"
            self.problems.append(ReadError(message, name="invalid-json-argument", span=entry.flag.span))

    def _note_implicit_type(self, entry: _Entry) -> None:
        written, value, option = entry.node.text, entry.value, entry.option
        plain = entry.node.is_text and not entry.node.style and not isinstance(value, str | None)
        if plain and option is not None and option.type == "str" and str(value) != written:
            message = f"YAML reads {written} as {value}; put it in quotes"
            fix = Fix("put it in quotes", (Edit(entry.node.span, f'"{written}"'),), safe=False)
            self.warnings.append(Notice("yaml-implicit-type", message, entry.node.span, fix))


def _dashed(key: str) -> str:
    """The flag that a key is, as the parser spells it."""
    name, dot, rest = key.partition(".")
    return f"--{name.replace('_', '-')}{dot}{rest}"
