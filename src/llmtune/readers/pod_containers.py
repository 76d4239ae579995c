"""The servers in the containers of a pod."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from llmtune.readers.pod_text import argument, hidden
from llmtune.readers.pod_variables import environment, literal_variables
from llmtune.readers.pods import surroundings_of
from llmtune.readers.shell import commands
from llmtune.readers.start import SHELLS, container_servers, of_items, servers_of
from llmtune.readers.yaml_text import ONLY_TEMPLATES
from llmtune.spec.word import FILLER, HOLE, Word, hole, is_unknown, shown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from llmtune.readers.pods import Pod
    from llmtune.readers.shell import Command
    from llmtune.readers.yaml_tree import Yaml
    from llmtune.spec.finding import Notice
    from llmtune.spec.server import Server, Variable
    from llmtune.spec.span import Span
    from llmtune.spec.surroundings import Surroundings

SUBSTITUTED = re.compile(r"\$\{?([A-Za-z_]\w*)|__[A-Z][A-Z0-9_]*__")


def servers_in(pod: Pod) -> list[Server]:
    """The servers that the containers of a pod start."""
    return [server for container in pod.containers for server in servers_of_container(pod, container)]


def servers_of_container(pod: Pod, container: Yaml) -> list[Server]:
    """The servers that one container starts."""
    variables = environment(container, pod.neighbours.maps)
    around = surroundings_of(pod, container)
    around = replace(around, complete=around.complete and bool(container["image"].text))
    command = command_of(container, variables)
    if not command.words and not around.complete:
        return []  # a patch: the arguments are somewhere else
    found = container_servers(
        command,
        around,
        name=server_name(pod, container),
        span=place_of(container),
        variables=variables,
        image=hidden(container["image"].text) or _called_vllm(container),
    )
    if not found:
        found = _of_mounted_script(pod, container, command, around, variables)
    notices = tuple(notices_of(pod, container))
    hides = pod.neighbours.templated and _hides_lines(container)
    found = [_with_hidden_words(server, container) if hides else server for server in found]
    return [_completed(server, variables, notices) for server in found]


def _of_mounted_script(
    pod: Pod, container: Yaml, command: Command, around: Surroundings, variables: tuple[Variable, ...]
) -> list[Server]:
    """The servers of a script that stands in a ConfigMap of the same file, by its name."""
    scripts = {key: node for data in pod.neighbours.maps.values() for key, node in data.entries.items()}
    known = {variable.name: variable.value for variable in variables if variable.name}
    for word in command.words:
        script = scripts.get(word.text.rsplit("/", 1)[-1])
        if script is not None and "vllm" in script.text:
            name, span = server_name(pod, container), place_of(container)
            return servers_of(commands(script.excerpt, known), around, name=name, span=span, variables=variables)
    return []


def command_of(container: Yaml, variables: Sequence[Variable]) -> Command:
    """``command:`` and ``args:`` of a container as one command."""
    known = {variable.name: variable.value for variable in variables if variable.name}
    pairs = [argument(item, known) for item in _items(container)]
    return of_items([word for word, _ in pairs], [text for _, text in pairs], place_of(container))


def _called_vllm(container: Yaml) -> str:
    """A name for an image that is not stated, where the container's name says what it runs."""
    name = container["name"].text
    return f"container-{name}" if "vllm" in name else ""


def server_name(pod: Pod, container: Yaml) -> str:
    """How messages call a server: ``Deployment vllm, container server``."""
    first = " ".join(part for part in (pod.kind, shown(pod.name)) if part)
    second = f"container {shown(container['name'].text)}" if container["name"].text else ""
    return ", ".join(part for part in (first, second) if part)


def place_of(container: Yaml) -> Span:
    """Where a container starts, as messages show it."""
    return (container["name"] or container["image"] or container).span


def notices_of(pod: Pod, container: Yaml) -> list[Notice]:
    """Values with a variable that nothing expands; none where the whole file waits to be filled in."""
    items = _items(container)
    program = items[0].text.rsplit("/", 1)[-1] if items else ""
    arguments = [] if program in SHELLS else items
    names = {item["name"].text for item in container["env"].items}
    places = [pod.manifest.at("metadata.name"), pod.manifest.at("metadata.namespace"), pod.manifest.at("spec.replicas")]
    places += [container["name"], container["image"], *container["resources"].walk()]
    filled_in = any(node.is_text and SUBSTITUTED.search(node.text) for node in places)
    foreign = any(match[1] not in names for item in arguments for match in SUBSTITUTED.finditer(item.text))
    if filled_in or foreign or is_unknown(container["image"].text):
        return []
    return list(literal_variables(container, arguments))


def _items(container: Yaml) -> list[Yaml]:
    return [*container["command"].items, *container["args"].items]


def _completed(server: Server, variables: tuple[Variable, ...], notices: tuple[Notice, ...]) -> Server:
    """A server with what is the same for every server of a container."""
    names = {variable.name for variable in server.variables}
    missing = tuple(variable for variable in variables if variable.name not in names)
    words = tuple(_maybe_several(word) for word in server.words)
    variables = (*missing, *server.variables)
    return replace(server, words=words, variables=variables, notices=(*server.notices, *notices))


def _with_hidden_words(server: Server, container: Yaml) -> Server:
    """A server of a template that may add arguments, or choose between those that are here."""
    return replace(server, words=(*_once(server.words), Word(hole("{{...}}"), place_of(container), open=True)))


def _maybe_several(word: Word) -> Word:
    """A word that starts with a template may be any number of them: ``{{ if .X }}--flag{{ end }}``."""
    return replace(word, open=True) if word.text.startswith(HOLE + FILLER) else word


def _hides_lines(container: Yaml) -> bool:
    """Whether lines of a template stand in a container: they may add arguments, or choose between some."""
    source = container.source
    if container.node is None:
        return False
    place = source.span(container.node.start_mark.index, container.node.end_mark.index)
    return any(ONLY_TEMPLATES.match(source.line(number)) for number in range(place.line, place.end_line + 1))


def _once(words: Sequence[Word]) -> list[Word]:
    """Of arguments between which a template chooses only the first: no flag twice, none with its opposite."""
    seen: set[str] = set()
    kept: list[Word] = []
    keep = True
    for word in words:
        if word.text.startswith("-"):
            name = word.text.partition("=")[0].replace("_", "-").replace("--no-", "--")
            keep = name not in seen
            seen.add(name)
        if keep:
            kept.append(word)
    return kept
