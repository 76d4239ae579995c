"""YAML as a tree that knows its places: for every reader of files that hold servers in YAML.

Templates (``{{ ... }}``) are made holes of the same length before the parser sees the text, so that places stay right.
Bombs are refused before anything recursive sees them. Values are texts: what a plain scalar means to YAML 1.1 is
asked for with ``value``.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from llmtune.readers import ReadError
from llmtune.readers.source import Excerpt
from llmtune.readers.yaml_text import align, mask_templates
from llmtune.spec.finding import Notice
from llmtune.spec.span import Span
from llmtune.spec.word import Word, is_unknown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llmtune.readers.source import Source

BYTE_ORDER_MARK = "\ufeff"
DEEPEST = 64  # nested collections; deployments of Kubernetes have 12
MOST_ALIASES = 500
MOST_DUPLICATES = 100  # that are told
MOST_NODES = 50_000  # the largest of 140 public files has 1000
MOST_WRITTEN_OUT = 200_000  # nodes once every alias is written out


class Yaml:
    """One node. Missing keys and items give an empty ``Yaml`` that is false, so that paths need no checks."""

    def __init__(self, source: Source, node: Any = None, key: Any = None) -> None:
        """Wrap a composed node, and the node of its key where it stands in a mapping."""
        self.source = source
        self.node = node
        self.key_node = key

    def __bool__(self) -> bool:
        """Whether there is such a node."""
        return self.node is not None

    @property
    def is_mapping(self) -> bool:
        """Whether it holds keys."""
        return self.node is not None and self.node.id == "mapping"

    @property
    def is_list(self) -> bool:
        """Whether it holds items."""
        return self.node is not None and self.node.id == "sequence"

    @property
    def is_text(self) -> bool:
        """Whether it is a scalar, null included."""
        return self.node is not None and self.node.id == "scalar"

    @property
    def is_null(self) -> bool:
        """Whether it is a null."""
        return self.is_text and self.node.tag == "tag:yaml.org,2002:null"

    @cached_property
    def entries(self) -> dict[str, Yaml]:
        """A mapping's values by key; of equal keys the last, as loaders do; merge keys are resolved."""
        if not self.is_mapping:
            return {}
        found: dict[str, Yaml] = {}
        for key, value in self.node.value:
            if key.tag == "tag:yaml.org,2002:merge":
                parents = value.value if value.id == "sequence" else [value]
                for parent in reversed(parents):
                    found = {**Yaml(self.source, parent).entries, **found}
            elif key.id == "scalar":
                found[key.value] = Yaml(self.source, value, key)
        return found

    def duplicate_keys(self) -> Iterator[Any]:
        """Key nodes that stand in this mapping a second time."""
        seen = set()
        for key, _ in self.node.value if self.is_mapping else ():
            if key.id == "scalar":
                if key.value in seen:
                    yield key
                seen.add(key.value)

    def __getitem__(self, key: str) -> Yaml:
        """The value of a key; an empty one where there is none."""
        return self.entries.get(key) or Yaml(self.source)

    def at(self, path: str) -> Yaml:
        """The value at a path of keys: ``spec.template.spec``."""
        found = self
        for key in path.split("."):
            found = found[key]
        return found

    @cached_property
    def items(self) -> list[Yaml]:
        """A list's items."""
        return [Yaml(self.source, item) for item in self.node.value] if self.is_list else []

    def walk(self) -> Iterator[Yaml]:
        """This node and every node below it, each once."""
        seen: set[int] = set()
        open_: list[Yaml] = [self]
        while open_:
            node = open_.pop()
            if node and id(node.node) not in seen:
                seen.add(id(node.node))
                yield node
                open_ += reversed([*node.entries.values(), *node.items])

    @property
    def text(self) -> str:
        """A scalar's text, ``""`` for everything else."""
        return str(self.node.value) if self.is_text and not self.is_null else ""

    @property
    def unknown(self) -> bool:
        """Whether it is a scalar with a hole."""
        return is_unknown(self.text)

    @property
    def style(self) -> str:
        """How a scalar is written: ``""`` plain, ``'`` or ``"`` quoted, ``|`` or ``>`` block."""
        return self.node.style or "" if self.is_text else ""

    @cached_property
    def value(self) -> Any:
        """The Python value that a safe loader makes of it.

        Raises:
            ValueError: for a scalar that its tag does not allow.

        """
        import yaml

        loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)("")
        try:
            return loader.construct_object(self.node, deep=True) if self.node is not None else None
        except (yaml.YAMLError, LookupError, AttributeError) as error:  # the last two: ``!!int`` without a number
            raise ValueError(getattr(error, "problem", None) or "a value that YAML does not have") from error

    @cached_property
    def span(self) -> Span:
        """Where it stands; the key where a value is a block or an alias of something further up."""
        if self.node is None:
            return Span(self.source.name, 1, 1, 1, 1)
        span = _span(self.node, self.source)
        if self.key_node is None:
            return span
        key = _span(self.key_node, self.source)
        block = self.node.id != "scalar" and not self.node.flow_style
        return key if block or (span.line, span.column) < (key.line, key.column) else span

    @property
    def key_span(self) -> Span:
        """Where its key stands; itself in a list."""
        return self.span if self.key_node is None else _span(self.key_node, self.source)

    @cached_property
    def excerpt(self) -> Excerpt:
        """A scalar's text with the place of every character."""
        if not self.is_text:
            start = self.node.start_mark.index if self.node is not None else 0
            return Excerpt(self.source, "", [start])
        return Excerpt(self.source, self.text, align(self.text, self.node, self.source.text))

    def word(self) -> Word:
        """A scalar as one argument; in a block list its line goes with it."""
        text, span = self.text, self.span
        quoted = self.style in {"'", '"'}
        plain = len(text) > 0 and self.excerpt.is_plain(0, len(text)) and (quoted or not self.style)
        if plain and self.node is not None:  # what a folded line adds stands between the quotes too
            plain = self.node.end_mark.index - self.node.start_mark.index == len(text) + 2 * quoted
        return Word(text, span, _line_of_item(self.source, span), plain, added=-1 if quoted else 0)


def documents(source: Source) -> list[Yaml]:
    """Every document of a YAML file.

    Raises:
        ReadError: for what is no YAML, too deep, or grows without bound.

    """
    import yaml

    text = mask_templates(source.text)
    if text.startswith(BYTE_ORDER_MARK):  # the parser does not count it
        text = "\n" + text[1:]
    loader_class: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        _check_shape(text, source, loader_class)
        roots = []
        for node in yaml.compose_all(text, Loader=loader_class):
            if node is not None:
                _count(node, source, {})
                roots.append(Yaml(source, node))
    except yaml.YAMLError as error:
        raise _not_yaml(error, source) from error
    except RecursionError as error:
        raise ReadError("nested too deeply for a deployment file", name="invalid-yaml") from error
    return roots


def about_duplicates(roots: list[Yaml]) -> list[Notice]:
    """A notice for every key that stands twice in one mapping."""
    notices = []
    for root in roots:
        for node in root.walk():
            for key in node.duplicate_keys():
                message = f"'{key.value}' stands here a second time: the last one wins, and strict decoders refuse it"
                notices.append(Notice("duplicate-yaml-key", message, _span(key, node.source)))
                if len(notices) >= MOST_DUPLICATES:
                    return notices
    return notices


def _line_of_item(source: Source, span: Span) -> Span | None:
    """The whole line of an item that stands alone on it (``  - --port=8000``), to be deleted with it."""
    line = source.line(span.line)
    before, after = line[: span.column - 1], line[span.end_column - 1 :]
    alone = span.line == span.end_line and before.strip() == "-" and not after.strip()
    return Span(span.file, span.line, 1, span.line + 1, 1) if alone else None


def _span(node: Any, source: Source) -> Span:
    start, end = node.start_mark, node.end_mark
    if node.id == "scalar" and node.style in {"|", ">"}:  # the parser ends a block behind the blank lines after it
        return source.span(start.index, start.index + len(source.text[start.index : end.index].rstrip()))
    return source.span(start.index, end.index)  # YAML counts lines by more characters than a Source does


def _at(mark: Any, source: Source) -> Span:
    """The character at a mark."""
    start = min(mark.index, len(source.text))
    end = start if source.text[start : start + 1] in {"", "\n"} else start + 1
    return source.span(start, end)


def _not_yaml(error: Any, source: Source) -> ReadError:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    span = _at(mark, source) if mark else None
    problem = getattr(error, "problem", None) or getattr(error, "context", None) or "a character that YAML forbids"
    message = f"not valid YAML ({' '.join(str(problem).split())}); correct it"
    return ReadError(message, name="invalid-yaml", span=span)


def _check_shape(text: str, source: Source, loader: Any) -> None:
    """Refuse deep nesting and many aliases before anything recursive sees them."""
    import yaml

    depth = aliases = nodes = 0
    for event in yaml.parse(text, Loader=loader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        aliases += isinstance(event, yaml.AliasEvent)
        nodes += isinstance(event, yaml.NodeEvent)
        limits = {"levels": (depth, DEEPEST), "aliases": (aliases, MOST_ALIASES), "values": (nodes, MOST_NODES)}
        if depth > DEEPEST or aliases > MOST_ALIASES or nodes > MOST_NODES:
            what = next(f"more than {most} {name}" for name, (count, most) in limits.items() if count > most)
            message = f"{what}: no deployment file has so many; write it plainly"
            raise ReadError(message, name="invalid-yaml", span=_at(event.start_mark, source))


def _count(node: Any, source: Source, known: dict[int, int]) -> int:
    """Nodes below a node with every alias written out, in time linear in the file."""
    if id(node) in known:
        size = known[id(node)]
    else:
        known[id(node)] = MOST_WRITTEN_OUT + 1  # met again while it is open: the node holds itself
        children = node.value if isinstance(node.value, list) else []
        parts = [part for child in children for part in (child if isinstance(child, tuple) else (child,))]
        size = 1 + sum(_count(part, source, known) for part in parts)
        known[id(node)] = size
    if size > MOST_WRITTEN_OUT:
        message = "aliases that grow without bound; write the values out"
        raise ReadError(message, name="invalid-yaml", span=_span(node, source))
    return size
