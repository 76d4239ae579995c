"""A container's environment in Kubernetes, and values that hold a variable that nothing expands."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from llmtune.readers.pod_text import INJECTED, REFERENCE, expand, hidden
from llmtune.readers.yaml_facts import entry_lines, entry_span, stated, variables_of
from llmtune.spec.finding import Edit, Fix, Notice
from llmtune.spec.server import Variable
from llmtune.spec.word import Word, hole, is_unknown

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from llmtune.readers.source import Excerpt
    from llmtune.readers.yaml_tree import Yaml

# ``$X`` alone may be a part of a password, so it must be all of the value or look like a variable's name.
SHELL_REFERENCE = re.compile(r"\$(?:\{([A-Za-z_]\w*)\}|([A-Z][A-Z0-9_]+)\b)")
WHOLE = re.compile(r"\$(?:\{[A-Za-z_]\w*\}|[A-Z][A-Z0-9_]*)")
SECRET = re.compile(r"KEY|TOKEN|SECRET|PASS|CREDENTIAL", re.IGNORECASE)
FILLED_IN = re.compile(r"\$\{|^\$[A-Za-z_]\w*$|\$[A-Z][A-Z0-9_]+\b|^<.*>$|__[A-Z]\w*__")
FOR_A_SHELL = frozenset({"VLLM_ADDITIONAL_ARGS"})  # KServe evaluates it in a shell


def environment(container: Yaml, maps: Mapping[str, Yaml]) -> tuple[Variable, ...]:
    """The variables of a container; one without a name stands for those that are set elsewhere.

    ``maps`` are the data of the file's ConfigMaps.
    """
    found, elsewhere = _from_maps(container, maps)
    known = {name: variable.value for name, variable in found.items()}
    named = [item for item in container["env"].items if item.is_mapping and item["name"].text]
    variables = [variable for variable in variables_of(container["env"]) if variable.written_as == "kubernetes"]
    for item, variable in zip(named, variables, strict=True):
        value, kept = item["value"], item.at("valueFrom.configMapKeyRef")
        mapped = maps.get(kept["name"].text, kept)[kept["key"].text] if kept else kept
        refers = value.is_text and "$" in value.text
        text = expand(value.excerpt, known).text if refers else mapped.text or variable.value
        text = hidden(text) if FILLED_IN.search(text) else text
        found[variable.name] = replace(variable, value=text, secret=variable.secret and not mapped)
        known[variable.name] = text
    return (*found.values(), *elsewhere)


def _from_maps(container: Yaml, maps: Mapping[str, Yaml]) -> tuple[dict[str, Variable], list[Variable]]:
    """What ``envFrom`` brings out of ConfigMaps of the file, and what comes from elsewhere."""
    found: dict[str, Variable] = {}
    elsewhere = []
    for item in container["envFrom"].items:
        data = maps.get(item.at("configMapRef.name").text)
        if data is None:
            elsewhere.append(stated("", hole(""), item, secret=True))
            continue
        for key, value in data.entries.items():
            name = item["prefix"].text + key
            word = Word(value.text, entry_span(value), entry_lines(value))
            found[name] = Variable(
                name, hidden(value.text) if FILLED_IN.search(value.text) else value.text, word, "map"
            )
    return found, elsewhere


def literal_variables(container: Yaml, arguments: Sequence[Yaml]) -> Iterator[Notice]:
    """A notice for each value that holds ``${X}``, ``$X`` or a ``$(X)`` that is set nowhere.

    ``arguments`` are those that no shell sees.
    """
    names: set[str] = set()
    open_ended = bool(container["envFrom"].items)
    for item in container["env"].items:
        value, name = item["value"], item["name"].text
        open_ended = open_ended or is_unknown(name)
        if value.is_text and name not in FOR_A_SHELL and "$" in value.text and not is_unknown(value.text):
            yield from _shell_references(value, names, secret=bool(SECRET.search(name)))
            if not open_ended:
                yield from _unset_references(value, names)
        names.add(name)
    for item in arguments:
        if item.is_text and "$" in item.text and not is_unknown(item.text):
            for match in SHELL_REFERENCE.finditer(item.text):
                if (match[1] or match[2]) in names:
                    yield _unexpanded(item.excerpt, match, names)
            if not open_ended:
                yield from _unset_references(item, names)


def _shell_references(value: Yaml, set_before: set[str], *, secret: bool) -> Iterator[Notice]:
    if secret and not WHOLE.fullmatch(value.text):
        return
    for match in SHELL_REFERENCE.finditer(value.text):
        if match.start() == 0 or value.text[match.start() - 1] != "$":
            yield _unexpanded(value.excerpt, match, set_before)


def _unexpanded(excerpt: Excerpt, match: re.Match[str], known: Collection[str]) -> Notice:
    name, start, end = match[1] or match[2], match.start(), match.end()
    span = excerpt.span(start, end)
    cure = f"write $({name})" if name in known else "write the value, or take it from a Secret with valueFrom"
    message = f"Kubernetes leaves {match.group()} as it is, only $(NAME) is replaced; {cure}"
    fixable = name in known and excerpt.is_plain(start, end)
    fix = Fix(f"write $({name})", (Edit(span, f"$({name})"),), safe=True) if fixable else None
    return Notice("literal-variable", message, span, fix)


def _unset_references(node: Yaml, names: Collection[str]) -> Iterator[Notice]:
    for match in REFERENCE.finditer(node.text):
        name = match[1] or ""
        if re.fullmatch(r"[A-Za-z_]\w*", name) and name not in names and not INJECTED.match(name):
            message = f"$({name}) stays as it is, no earlier variable of this container is called {name}; set it"
            yield Notice("literal-variable", message, node.excerpt.span(match.start(), match.end()))
