"""The environment of a Compose service, as a mapping or as a list, where quotes are part of the value."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING

from llmtune.readers.compose_text import filled
from llmtune.readers.yaml_facts import MOST_VARIABLES, entry_lines, entry_span, stated
from llmtune.spec.finding import Edit, Fix, Notice
from llmtune.spec.server import Variable
from llmtune.spec.word import Word, hole

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llmtune.readers.yaml_tree import Yaml

QUOTED = re.compile(r"""(\w+)=(?:"([^"]*)"|'([^']*)')""")
OURS = re.compile(r"(VLLM|CUDA|HF|HUGGING_?FACE|TRANSFORMERS|NVIDIA|NCCL|TORCH|PYTORCH|OMP|RAY|GLOO|LMCACHE)_")


def environment(service: Yaml) -> tuple[Variable, ...]:
    """The variables of a service; one without a name stands for those in ``env_file``, which is not read."""
    node = service["environment"]
    several = len(node.entries) + len(node.items) > 1
    found = [_of_map(name, value, removable=several) for name, value in islice(node.entries.items(), MOST_VARIABLES)]
    found += [_of_list(item, removable=several) for item in node.items[:MOST_VARIABLES] if item.text]
    files = service["env_file"]
    if files and not files.is_null:
        found.append(stated("", hole(""), files))
    return tuple(found)


def _of_map(name: str, value: Yaml, *, removable: bool) -> Variable:
    """``X: y``; one without a value is taken from whoever starts Compose."""
    text = hole(f"${name}") if value.is_null else filled(value)
    word = Word(text, entry_span(value), entry_lines(value) if removable else None)
    return Variable(name, text, word, "map")


def _of_list(item: Yaml, *, removable: bool) -> Variable:
    """``- X=y``."""
    name, equals, value = filled(item).partition("=")
    word = item.word()
    word = replace(word, extent=word.extent if removable else None)
    return Variable(name, value if equals else hole(f"${name}"), word, "list")


def quoted_values(service: Yaml) -> Iterator[Notice]:
    """A notice for each ``- X="y"`` that vLLM or its libraries will read with the quotes."""
    for item in service["environment"].items:
        match = QUOTED.fullmatch(item.text)
        if match is None or not OURS.match(match[1]):
            continue
        value = match[2] if match[2] is not None else match[3]
        start = match.end(1) + 1
        message = f"in a list the quotes belong to the value of {match[1]}; leave them out"
        fix = None
        if item.excerpt.is_plain(start, len(item.text)):
            span = item.excerpt.span(start, len(item.text))
            fix = Fix("leave out the quotes", (Edit(span, value),), safe=True)
        yield Notice("env-literal-quotes", message, item.excerpt.span(start, len(item.text)), fix)
