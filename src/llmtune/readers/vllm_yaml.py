"""The YAML file of ``vllm serve --config FILE``.

Every entry becomes the arguments that the engine makes of it (vLLM 0.33.0, utils/argparse_utils.py,
load_config_file): ``true`` a bare flag, ``false`` nothing, a list several values, a mapping one JSON text, everything
else its text. Those are then parsed like a command line, so that both have one meaning.
"""

from __future__ import annotations

import json
import re
from dataclasses import field
from typing import TYPE_CHECKING, Any

from llmtune.readers import LARGEST, Notice, ReadError, Reading, read_text
from llmtune.readers.arguments import Token, parse
from llmtune.readers.options import Table
from llmtune.spec.deployment import Deployment, Span
from llmtune.spec.record import dataclass

if TYPE_CHECKING:
    from pathlib import Path

    from llmtune.spec.engine import EngineVersion, Option

SUFFIXES = frozenset({"yaml", "yml"})
DEEPEST = 64  # nested collections; the deepest option has 4
MOST_ALIASES = 64
MOST_NODES = 100_000  # once every alias is written out
OTHER_FILE = re.compile(r"^(apiVersion|kind|services|helmVersion|include)\s*:", re.MULTILINE)
MAPPING = re.compile(r"^['\"]?[A-Za-z][\w.-]*['\"]?\s*:(\s|$)", re.MULTILINE)


def recognises(text: str, name: str) -> bool:
    """Whether the text is a mapping in YAML, and no Kubernetes or Compose file."""
    if name and name.rsplit(".", 1)[-1] not in SUFFIXES:
        return False
    return not OTHER_FILE.search(text) and (bool(name) or bool(MAPPING.search(text)))


def read(text: str, engine: EngineVersion, *, file: str = "vllm.yaml") -> Reading:
    """Read a config file on its own. Its model is ``""`` when the file leaves it to the command line.

    Raises:
        ReadError: when it is no mapping in YAML or the engine refuses an entry.

    """
    given, warnings = tokens(text, engine, file=file)
    arguments = parse(given, engine, positionals=0)
    models = [setting for setting in arguments.settings if setting.flag == "model"]
    settings = tuple(setting for setting in arguments.settings if setting.flag not in {"model", "config"})
    nested = [
        Notice("config-equals-ignored", "vLLM does not open a second file from here; delete this", setting.span)
        for setting in arguments.settings
        if setting.flag == "config"
    ]
    if not models:
        nested.append(Notice("no-model", "the file names no model; add 'model:' or name it on the command line"))
    model = str(models[-1].value) if models else ""
    deployment = Deployment(model, settings, {}, engine.requested or engine.release)
    return Reading(deployment, (*warnings, *arguments.warnings, *nested))


def tokens_of_file(path: Path, engine: EngineVersion, *, entry: str = "serve") -> tuple[list[Token], list[Notice]]:
    """The arguments in the file behind ``--config``, whose name must end in .yaml or .yml.

    Raises:
        ReadError: when it cannot be read, or is refused.

    """
    if str(path).rsplit(".", 1)[-1] not in SUFFIXES:
        raise ReadError(f"vLLM refuses {path}: rename it to end in .yaml or .yml", name="config-file-shape")
    return tokens(read_text(path), engine, file=str(path), entry=entry)


def tokens(text: str, engine: EngineVersion, *, file: str, entry: str = "serve") -> tuple[list[Token], list[Notice]]:
    """The arguments that the engine makes of a config file's text, and what it drops or changes silently.

    Raises:
        ReadError: when the text is no mapping in YAML.

    """
    if len(text) > LARGEST:
        raise ReadError(f"{file} is larger than {LARGEST} bytes; name a configuration file", name="file-too-large")
    emitter = _Emitter(Table(engine), engine, entry)
    for key, key_span, value, node in _entries(text.removeprefix("\ufeff"), file, emitter.warnings):
        emitter.entry(_Entry(key, value, node, key_span, _span_of_value(key_span, node, file)))
    return emitter.tokens, emitter.warnings


@dataclass(frozen=True, slots=True)
class _Entry:
    """One ``key: value`` with its places."""

    key: str
    value: Any
    node: Any
    key_span: Span
    value_span: Span


@dataclass(slots=True)
class _Emitter:
    """Collects arguments entry by entry."""

    table: Table
    engine: EngineVersion
    entry_point: str
    tokens: list[Token] = field(default_factory=list)
    warnings: list[Notice] = field(default_factory=list)

    def entry(self, entry: _Entry) -> None:
        option = self._option(entry.key)
        switch = option is not None and (option.negatable or option.flag_only)
        match entry.value:
            case bool() if option is not None and option.type == "bool" and not switch:
                self._emit(entry, str(entry.value))  # early releases: a boolean with a value
            case True:
                self._emit(entry)
            case False:
                self._false(entry, option)
            case []:
                message = f"an empty list has no effect; delete '{entry.key}'"
                self.warnings.append(Notice("config-empty-list", message, entry.key_span))
            case _ if switch:
                self._not_a_switch(entry)
            case list() as items if self.engine.behaviour.get("parser.config_lists", True):
                self._emit(entry, *map(str, items))
            case dict() as mapping if self.engine.behaviour.get("parser.config_mappings", True):
                self._emit(entry, _json(mapping, entry))
            case value:
                self._note_implicit_type(entry, option)
                self._emit(entry, str(value))

    def _option(self, key: str) -> Option | None:
        found = self.table.names.get(f"--{key.replace('_', '-')}")
        return found[0] if found else None

    def _emit(self, entry: _Entry, *texts: str) -> None:
        self.tokens.append(Token(f"--{entry.key}", entry.key_span))
        self.tokens += [Token(text, entry.value_span) for text in texts]

    def _false(self, entry: _Entry, option: Option | None) -> None:
        negative = f"--no-{entry.key}"
        full_parser = self.entry_point == "api_server" and self.engine.behaviour.get("parser.config_false", True)
        if full_parser and negative in self.table.names:
            self.tokens.append(Token(negative, entry.key_span))
            return
        if option is None and not self._known(entry.key):
            self._emit(entry)  # refused as an unknown flag, which is what it is
            return
        advice = f"write 'no-{entry.key}: true'" if option and option.negatable else "delete it"
        message = f"'{entry.key}: false' has no effect, vLLM drops it; {advice}"
        self.warnings.append(Notice("config-false-dropped", message, entry.key_span))

    def _known(self, key: str) -> bool:
        try:
            return self.table.find(f"--{key.replace('_', '-').split('.')[0]}") is not None
        except ValueError:
            return True

    def _not_a_switch(self, entry: _Entry) -> None:
        quoted = isinstance(entry.value, str) and entry.value.lower() in {"true", "false", "yes", "no", "on", "off"}
        name = "config-quoted-boolean" if quoted else "bool-flag-with-value"
        message = f"'{entry.key}' takes true, nothing else; write '{entry.key}: true' or delete it"
        raise ReadError(message, name=name, span=entry.value_span)

    def _note_implicit_type(self, entry: _Entry, option: Option | None) -> None:
        written, value = entry.node.value, entry.value
        plain = isinstance(written, str) and not entry.node.style and not isinstance(value, str | None)
        if plain and option is not None and option.type == "str" and str(value) != written:
            message = f"YAML reads {written} as {value}; put it in quotes"
            self.warnings.append(Notice("yaml-implicit-type", message, entry.value_span))


def _json(mapping: dict[Any, Any], entry: _Entry) -> str:
    try:
        return json.dumps(mapping)
    except (TypeError, ValueError) as error:
        message = f"'{entry.key}' has a value that JSON does not have ({error}); put it in quotes"
        raise ReadError(message, name="invalid-json-argument", span=entry.key_span) from error


def _entries(text: str, file: str, warnings: list[Notice]) -> list[tuple[str, Span, Any, Any]]:
    """Key, place, value and node of each entry; of equal keys the last, where the first stands, as YAML loaders do."""
    import yaml

    try:
        _check_shape(text, file)
        loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)(text)
        root = loader.get_single_node()
        if not isinstance(root, yaml.MappingNode):
            what = "is empty" if root is None else "is no mapping"
            message = f"{file} {what}; write one 'flag: value' per line"
            raise ReadError(message, name="config-file-shape", span=root and _span(root, file))
        _count(root, file, {})
        loader.flatten_mapping(root)
        found: dict[str, tuple[str, Span, Any, Any]] = {}
        for key_node, node in root.value:
            key, span = loader.construct_object(key_node, deep=True), _span(key_node, file)
            if not isinstance(key, str):
                message = f"the key {key_node.value!r} is no text to YAML; put it in quotes or name a flag"
                raise ReadError(message, name="config-file-shape", span=span)
            if key in found:
                message = f"'{key}' stands here a second time: the last one wins; delete the others"
                warnings.append(Notice("duplicate-yaml-key", message, span))
            found[key] = (key, span, loader.construct_object(node, deep=True), node)
    except yaml.YAMLError as error:
        raise _not_yaml(error, file) from error
    except (ValueError, OverflowError, TypeError) as error:
        if isinstance(error, ReadError):
            raise
        raise ReadError(f"{file} is not valid YAML: {error}", name="invalid-yaml") from error
    return list(found.values())


def _not_yaml(error: Any, file: str) -> ReadError:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    span = Span(file, mark.line + 1, mark.column + 1, mark.line + 1, mark.column + 2) if mark else None
    problem = getattr(error, "problem", None) or getattr(error, "context", None) or "a character that YAML forbids"
    where = "" if span else f"{file}: "
    return ReadError(
        f"{where}not valid YAML ({' '.join(str(problem).split())}); correct it", name="invalid-yaml", span=span
    )


def _check_shape(text: str, file: str) -> None:
    """Refuse deep nesting and many aliases before anything recursive sees them."""
    import yaml

    depth = aliases = 0
    for event in yaml.parse(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        aliases += isinstance(event, yaml.AliasEvent)
        if depth > DEEPEST or aliases > MOST_ALIASES:
            what = f"more than {DEEPEST} levels" if depth > DEEPEST else f"more than {MOST_ALIASES} aliases"
            mark: Any = event.start_mark
            span = Span(file, mark.line + 1, mark.column + 1, mark.line + 1, mark.column + 2)
            raise ReadError(
                f"{what}: too many for a vLLM config; write it plainly", name="config-file-shape", span=span
            )


def _count(node: Any, file: str, known: dict[int, int]) -> int:
    """Nodes and text below a node with every alias written out, in time linear in the file."""
    if id(node) in known:
        size = known[id(node)]
    else:
        known[id(node)] = MOST_NODES + 1  # met again while it is open: the node holds itself
        children = node.value if isinstance(node.value, list) else []
        parts = [part for child in children for part in (child if isinstance(child, tuple) else (child,))]
        size = 1 + sum(_count(part, file, known) for part in parts)
        size += len(node.value) // 100 if isinstance(node.value, str) else 0
        known[id(node)] = size
    if size > MOST_NODES:
        message = "aliases that grow without bound; write the values out"
        raise ReadError(message, name="config-file-shape", span=_span(node, file))
    return size


def _span(node: Any, file: str) -> Span:
    start, end = node.start_mark, node.end_mark
    return Span(file, start.line + 1, start.column + 1, end.line + 1, end.column + 1)


def _span_of_value(key: Span, node: Any, file: str) -> Span:
    """Where a value stands; the key where the value is a block or an alias of something further up."""
    span = _span(node, file)
    before = (span.line, span.column) < (key.line, key.column)
    block = not isinstance(node.value, str) and not getattr(node, "flow_style", True)
    return key if before or block else span
