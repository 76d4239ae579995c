"""Quadlet units of Podman (``.container``): what ``[Container]`` says is a ``podman run`` with the same options.

Keys as in podman-systemd.unit(5) of Podman 5; those that say nothing about a server are left out, and so are
``Secret=`` without a variable and the units of volumes and networks beside this one.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from llmtune.readers import ReadError
from llmtune.readers.docker_facts import surroundings_of
from llmtune.readers.docker_run import options_of, variables_of_run
from llmtune.readers.shell import Command
from llmtune.readers.source import Excerpt
from llmtune.readers.start import Site, in_container
from llmtune.readers.unit_text import (
    LONGEST,
    command_of,
    environment_of,
    has_section,
    read_section,
    seconds_fact,
    text_fact,
    whole,
)
from llmtune.spec.server import Document, Variable
from llmtune.spec.word import Word, hole

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from llmtune.readers.source import Source
    from llmtune.readers.unit_text import Unit
    from llmtune.spec.server import Server

KIND = "quadlet"
ORDER = 20
# Entries that are one option each, and those that are one for every word.
OPTIONS = {
    "EnvironmentFile": "env-file",
    "PublishPort": "publish",
    "Volume": "volume",
    "Mount": "mount",
    "Tmpfs": "tmpfs",
    "ShmSize": "shm-size",
    "Memory": "memory",
    "AddDevice": "device",
    "Network": "network",
    "Entrypoint": "entrypoint",
    "HealthCmd": "health-cmd",
    "HealthInterval": "health-interval",
    "HealthRetries": "health-retries",
    "HealthStartPeriod": "health-start-period",
    "StopTimeout": "stop-timeout",
}
LISTS = {"Environment": "env", "AddCapability": "cap-add"}

Words = list[tuple[Word, Excerpt]]


def recognises(source: Source) -> bool:
    """Whether the text is the unit of a container."""
    return "Image" in source.text and has_section(source, "Container")


def read_document(source: Source) -> Document:
    """The server that the container runs; none where its image is described by another unit."""
    if len(source.text) > LONGEST:
        raise ReadError(f"more than {LONGEST} characters are no unit of systemd", name="unreadable-file")
    return Document(source.name, KIND, tuple(_servers(source)))


def _servers(source: Source) -> list[Server]:
    unit, service = read_section(source, "Container"), read_section(source, "Service")
    image = unit.last("Image")
    if image is None:
        return []
    known = {variable.name: variable.value for variable in environment_of(service) if variable.name}
    pairs = [*_options(unit, known), _word("", image)]
    arguments = unit.last("Exec")
    inner = command_of(arguments, known, "") if arguments is not None else None
    if inner is not None:
        pairs += zip(inner.words, inner.texts, strict=True)
    line = Command(tuple(word for word, _ in pairs), (), whole(arguments or image), tuple(text for _, text in pairs))
    return _of_run(line, unit, service)


def _of_run(line: Command, unit: Unit, service: Unit) -> list[Server]:
    run = options_of(line, 0)
    name = unit.last("ContainerName")
    if run is None:
        return []
    variables = (*variables_of_run(run, {}), *_secrets(unit))
    around = replace(
        surroundings_of(run, line.words[run.image], variables),
        platform="quadlet",
        restart=text_fact(service.last("Restart")),
    )
    if around.grace_period is None:
        around = replace(around, grace_period=seconds_fact(service.last("TimeoutStopSec")))
    words, texts = list(line.words[run.image + 1 :]), list(line.texts[run.image + 1 :])
    entry = run.last("entrypoint")
    if entry is not None and entry.value and entry.text is not None:
        words, texts = [replace(entry.words[-1], text=entry.value, plain=False), *words], [entry.text, *texts]
    called = name.text.strip() if name is not None else "container"
    site = Site(around, called, line.span, variables, image=line.words[run.image].text)
    return in_container(Command(tuple(words), (), line.span, tuple(texts)), site)


def _options(unit: Unit, known: Mapping[str, str]) -> Iterator[tuple[Word, Excerpt]]:
    """The entries as options; none of them can be edited as a word of a command."""
    for key, option in OPTIONS.items():
        for entry in unit.all(key):
            yield _word(f"--{option}=", entry)
    for key, option in LISTS.items():
        for entry in unit.all(key):
            for text in command_of(entry, known, "").texts:
                yield _word(f"--{option}=", text)
    for entry in unit.all("PodmanArgs"):
        command = command_of(entry, known, "")
        yield from ((replace(word, extent=None), text) for word, text in zip(command.words, command.texts, strict=True))


def _word(before: str, entry: Excerpt) -> tuple[Word, Excerpt]:
    """An entry's text as a word, behind the option that it stands for."""
    text = entry.text.strip()
    start = len(entry.text) - len(entry.text.lstrip())
    offsets = entry.offsets[start : start + len(text) + 1]
    span = entry.span(start, start + len(text))
    plain = not before and entry.is_plain(start, start + len(text))
    excerpt = Excerpt(entry.source, before + text, [*[offsets[0]] * len(before), *offsets])
    return Word(before + text, span, None, plain), excerpt


def _secrets(unit: Unit) -> Iterator[Variable]:
    """``Secret=name,type=env,target=HF_TOKEN``."""
    for entry in unit.all("Secret"):
        name, *parts = entry.text.strip().split(",")
        keys = dict(part.partition("=")[::2] for part in parts)
        if keys.get("type") == "env":
            yield Variable(keys.get("target") or name, hole(""), Word(entry.text.strip(), whole(entry)), secret=True)
