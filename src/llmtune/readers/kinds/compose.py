"""Compose files: the services that run vLLM.

``command:`` goes to the image's ENTRYPOINT, ``entrypoint:`` replaces it and the image's own command. Other engines give
no server. A fragment is a mapping of services without ``services:``, for others to extend. What ``extends`` or
``include`` bring is not here, and neither is what another file lays over this one, so a service that is only a part
says nothing about what it lacks.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from llmtune.readers import ReadError
from llmtune.readers.compose_facts import surroundings_of
from llmtune.readers.compose_text import filled, interpolate, split, stray_backslashes
from llmtune.readers.compose_variables import environment, quoted_values
from llmtune.readers.start import container_servers, of_items
from llmtune.readers.yaml_facts import is_yaml, roots
from llmtune.readers.yaml_files import duplicates, is_relevant, starts_as_yaml
from llmtune.spec.server import Document
from llmtune.spec.word import HOLE, Word, hole, is_unknown, shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llmtune.readers.source import Excerpt, Source
    from llmtune.readers.yaml_tree import Yaml
    from llmtune.spec.finding import Notice
    from llmtune.spec.server import Server

KIND = "compose"
ORDER = 40
SERVICES = re.compile(r"^['\"]?services['\"]?\s*:", re.MULTILINE)
OTHER_FILE = re.compile(r"^(apiVersion|kind)\s*:", re.MULTILINE)
IMAGE = re.compile(r"^[ \t]+image[ \t]*:[ \t]*\S*vllm", re.MULTILINE | re.IGNORECASE)
COMMAND = re.compile(r"^[ \t]+(?:command|entrypoint)[ \t]*:", re.MULTILINE)
# Keys that a service of Compose has, and no other file beside an image.
TELLING = frozenset(
    {"container_name", "depends_on", "shm_size", "ipc", "env_file", "network_mode", "restart", "environment", "deploy"}
)
OVERLAY = re.compile(r"override", re.IGNORECASE)


def recognises(source: Source) -> bool:
    """Whether the text has services at its top level, or is made of them."""
    text = source.text
    if OTHER_FILE.search(text) or not starts_as_yaml(source):
        return False
    return bool(SERVICES.search(text)) or (bool(IMAGE.search(text) and COMMAND.search(text)) and _is_fragment(source))


def _is_fragment(source: Source) -> bool:
    """Whether every mapping at the top level is a service, one with an image of vLLM among them."""
    if not is_yaml(source):
        return False
    try:
        found = roots(source)
    except ReadError:
        return False
    services = [service for root in found for service in root.entries.values()]
    return all(service.is_mapping for service in services) and any(
        "vllm" in service["image"].text
        and bool(service["command"] or service["entrypoint"])
        and bool(TELLING & service.entries.keys())
        for service in services
    )


def read_document(source: Source) -> Document:
    """Every service that runs vLLM.

    Raises:
        ReadError: for what is no YAML.

    """
    if not is_relevant(source):
        return Document(source.name, KIND)
    found = roots(source)
    servers = [server for root in found for server in _servers(root)]
    return Document(source.name, KIND, tuple(servers), tuple(duplicates(found)) if servers else ())


def _servers(root: Yaml) -> Iterator[Server]:
    whole = not root["include"] and "{{" not in root.source.text and not OVERLAY.search(root.source.name)
    services = root["services"]
    for name, service in (services or root).entries.items():
        if service.is_mapping:
            yield from _of_service(name, service, complete=whole and bool(services))


def _of_service(name: str, service: Yaml, *, complete: bool) -> list[Server]:
    """The servers of one service."""
    entrypoint, command = service["entrypoint"], service["command"]
    replaced = bool(entrypoint) and not entrypoint.is_null
    pairs = [*(_arguments(entrypoint) if replaced else []), *_arguments(command)]
    partial = bool(service["extends"] or service["volumes_from"]) or not (service["image"] or service["build"])
    if not pairs and partial:
        return []  # the arguments are in another file
    variables = environment(service)
    around = surroundings_of(service, variables, complete=complete and not partial)
    line = of_items([word for word, _ in pairs], [text for _, text in pairs], service.key_span)
    image = filled(service["image"]) or (f"service-{name}" if pairs and "vllm" in name else "")
    called = f"service {shown(name)}"
    found = container_servers(line, around, name=called, span=service.key_span, variables=variables, image=image)
    notices = (*quoted_values(service), *_continued(entrypoint), *_continued(command))
    return [replace(server, notices=(*server.notices, *notices)) for server in found]


def _arguments(node: Yaml) -> list[tuple[Word, Excerpt]]:
    """The words of ``command:`` or ``entrypoint:``: a text is split, an item of a list is one word."""
    if node.is_list:
        return [_item(item) for item in node.items]
    return split(interpolate(node.excerpt)) if node.text else []


def _continued(node: Yaml) -> list[Notice]:
    return list(stray_backslashes(interpolate(node.excerpt))) if "\\" in node.text else []


def _item(item: Yaml) -> tuple[Word, Excerpt]:
    text = interpolate(item.excerpt)
    if not item.is_text:
        return Word(hole(item.source.slice(item.span).strip()), item.span, open=True), text
    word = item.word()
    if text.text != word.text or is_unknown(text.text):
        word = Word(text.text, word.span, word.extent, open=text.text.startswith(HOLE))
    return word, text
