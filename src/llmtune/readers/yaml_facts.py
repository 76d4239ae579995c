"""Facts, environment variables and places out of YAML: what every reader of a platform's file needs.

A text that a template or a variable hides gives a fact whose value is ``UNKNOWN``.
"""

from __future__ import annotations

import re
from itertools import islice
from typing import TYPE_CHECKING

from llmtune.readers import ReadError
from llmtune.readers.numbers import counted
from llmtune.readers.yaml_text import ONLY_TEMPLATES
from llmtune.readers.yaml_tree import documents
from llmtune.spec.server import Variable
from llmtune.spec.span import Span
from llmtune.spec.surroundings import UNKNOWN, Fact, Unknown
from llmtune.spec.word import Word, hole, is_unknown

if TYPE_CHECKING:
    from llmtune.readers.source import Source
    from llmtune.readers.yaml_tree import Yaml

SUFFIXES = frozenset({"yaml", "yml", "tpl", "tmpl", "template", "gotmpl", "j2", "jinja", "jinja2", "in", "example"})
HIDDEN = re.compile(r"\$\{?\w|\$\(|<[^<>]*>|^\{.*\}$|__\w+__")  # ${GPUS}, $(GPUS), <your-gpu>, {gpus}, __GPUS__
NAME = re.compile(r"[A-Za-z_]\w*")
HOLES = re.compile(r"\$\{[^{}]*\}|\$[A-Z_][A-Z0-9_]*\b")
DEREFERENCE = re.compile(r"\$\$|\$\(([\w.-]+)\)")  # what Kubernetes replaces in command, args and env
TEMPLATED = re.compile(r"\{\{|\{%|<%|^\s*\{\w+\}\s*$", re.MULTILINE)
ANCHOR = re.compile(r"(?:^|[\s:\-\[{,])&\w")
CORES = re.compile(r"[0-9]{1,9}(?:\.[0-9]{0,9})?|\.[0-9]{1,9}")
MOST_VARIABLES = 1000  # of one container
QUANTITY = re.compile(r"([0-9]{1,18}(?:\.[0-9]{0,9})?|\.[0-9]{1,9})\s*([KMGTPkmgtp]?)(i?)[bB]?")
POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4, "p": 5}
MILLI = 1000


def is_yaml(source: Source) -> bool:
    """Whether the name is one of a YAML file, of the template of one, or of none."""
    base = source.title.rsplit("/", 1)[-1].lower()
    return not base.strip("-") or base.startswith("<") or base.rpartition(".")[2] in SUFFIXES


def roots(source: Source) -> list[Yaml]:
    """Every document of a file; none where it is the template of one.

    Raises:
        ReadError: for what is no YAML and no template either.

    """
    try:
        return documents(source)
    except ReadError:
        if TEMPLATED.search(source.text):
            return []
        raise


def is_hidden(text: str) -> bool:
    """Whether a template or a variable hides a text or a part of it."""
    return is_unknown(text) or bool(HIDDEN.search(text))


def hides_lines(node: Yaml) -> bool:
    """Whether a template stands among the entries of a mapping, which may add some or leave some out."""
    if "{{" not in node.source.text:
        return False
    first, last = (node.span.line, end_of(node)[0]) if node.key_node is not None else (1, len(node.source.starts))
    return any(ONLY_TEMPLATES.match(node.source.line(number)) for number in range(first, last + 1))


def text_fact(node: Yaml) -> Fact[str] | None:
    """A scalar as a fact; None where there is none."""
    if not node.text:
        return None
    return Fact[str](UNKNOWN if is_hidden(node.text) else node.text, node.span)


def count_fact(node: Yaml) -> Fact[int] | None:
    """A scalar as a whole number."""
    return None if not node.text else Fact[int](_number(node.text), node.span)


def cores_fact(node: Yaml) -> Fact[float] | None:
    """CPU cores as Kubernetes writes them: ``4`` or ``500m``."""
    if not node.text:
        return None
    text, milli = node.text.removesuffix("m"), node.text.endswith("m")
    known = CORES.fullmatch(text)
    return Fact[float](float(text) / (MILLI if milli else 1) if known else UNKNOWN, node.span)


def memory_fact(node: Yaml) -> Fact[int] | None:
    """A quantity of memory in bytes."""
    if not node.text:
        return None
    found = bytes_of(node.text)
    return Fact[int](UNKNOWN if found is None else found, node.span)


def bytes_of(text: str) -> int | None:
    """``16Gi`` and ``500M`` as Kubernetes reads them: bytes."""
    found = QUANTITY.fullmatch(text.strip())
    if found is None:
        return None
    return int(float(found[1]) * (1024 if found[3] else 1000) ** POWERS[found[2].lower()])


def flag_fact(node: Yaml) -> Fact[bool] | None:
    """A truth value as a fact."""
    truth = {"true": True, "false": False}.get(node.text.lower())
    if not node.text:
        return None
    return Fact[bool](UNKNOWN if truth is None else truth, node.span)


def is_false(node: Yaml) -> bool:
    """Whether a scalar says ``false``."""
    return node.text.lower() == "false"


def is_true(node: Yaml) -> bool:
    """Whether a scalar says ``true``."""
    return node.text.lower() == "true"


def with_holes(text: str) -> str:
    """A text whose ``${X}`` and ``$X`` somebody may fill in before it is used: each becomes a hole."""
    return HOLES.sub(lambda found: hole(found[0]), text)


def hidden_word(word: Word) -> Word:
    """A word whose variables are holes."""
    text = with_holes(word.text)
    return word if text == word.text else Word(text, word.span, word.extent)


def container_word(word: Word, variables: tuple[Variable, ...]) -> Word:
    """A word of a container's command in Kubernetes: ``$(X)`` is the variable X of the same container."""
    known = {variable.name: variable.value for variable in variables if not variable.secret}

    def value(found: re.Match[str]) -> str:
        return "$" if found[1] is None else known.get(found[1]) or hole(found[0])

    text = DEREFERENCE.sub(value, with_holes(word.text))
    return word if text == word.text else Word(text, word.span, word.extent)


def variables_of(node: Yaml) -> tuple[Variable, ...]:
    """The environment that a mapping (``X: y``), a list of texts (``X=y``) or a list of Kubernetes sets.

    Kubernetes expands no ``$X`` in a value, so there it is the value; elsewhere it is a hole.
    """
    several = len(node.entries) + len(node.items) > 1
    found = [_entry(name, value, removable=several) for name, value in islice(node.entries.items(), MOST_VARIABLES)]
    for item in node.items[:MOST_VARIABLES]:
        name, equals, text = item.text.partition("=")
        if item.is_mapping and item["name"].text:
            found.append(_kubernetes_entry(item, removable=several))
        elif equals and NAME.fullmatch(name):
            found.append(Variable(name, with_holes(text), item.word(), "list"))
        elif NAME.fullmatch(item.text):  # handed on from where the tool is started
            found.append(Variable(item.text, hole(""), item.word(), "list"))
    return tuple(found)


def stated(name: str, text: str, node: Yaml, *, secret: bool = False) -> Variable:
    """A variable that a platform sets because of an entry."""
    return Variable(name, text, Word(text, node.span), "map", secret)


def _entry(name: str, value: Yaml, *, removable: bool) -> Variable:
    word = Word(value.text, entry_span(value), entry_lines(value) if removable else None)
    return Variable(name, hole("") if value.is_null else with_holes(value.text), word, "map")


def _kubernetes_entry(item: Yaml, *, removable: bool) -> Variable:
    value, last = item["value"], end_of(item)
    first = (item.span.line, item.span.column)
    lines = _whole_lines(item.source, first, last, dash=True) if removable else None
    word = Word(value.text, Span(item.source.name, *first, *last), lines)
    secret = bool(item["valueFrom"]) and not value
    return Variable(item["name"].text, value.text if value else hole(""), word, "kubernetes", secret)


def entry_span(value: Yaml) -> Span:
    """An entry of a mapping with its key."""
    key = value.key_span
    return Span(key.file, key.line, key.column, *end_of(value))


def entry_lines(value: Yaml) -> Span | None:
    """The lines of an entry of a mapping, to be deleted with it; None where something else stands on them."""
    key = value.key_span
    return _whole_lines(value.source, (key.line, key.column), end_of(value))


def end_of(node: Yaml) -> tuple[int, int]:
    """Line and column behind a node. A parser ends a block behind the blank lines and comments after it."""
    block = bool(node) and node.node.id != "scalar" and not node.node.flow_style
    children = [*node.entries.values(), *node.items] if block else []
    if not children:
        span = node.span
        return max((span.end_line, span.end_column), (node.key_span.end_line, node.key_span.end_column))
    start = node.key_span.line, node.key_span.column  # children that are merged in stand further up
    return max(start, *(end_of(child) for child in children))


def _whole_lines(source: Source, first: tuple[int, int], last: tuple[int, int], *, dash: bool = False) -> Span | None:
    before = source.line(first[0])[: first[1] - 1].strip()
    after = source.line(last[0])[last[1] - 1 :].strip()
    span = Span(source.name, first[0], 1, last[0] + 1, 1)
    if before not in ({"", "-"} if dash else {""}) or after[:1] not in {"", "#"}:
        return None
    return None if ANCHOR.search(source.slice(span)) else span


def _number(text: str) -> int | Unknown:
    number = counted(text)
    return UNKNOWN if number is None else number
