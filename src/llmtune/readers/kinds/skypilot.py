"""SkyPilot tasks and services: the servers that the ``run`` script of a YAML file starts.

``envs`` are known in the script, unless they are left to the command line; ``SKYPILOT_NUM_GPUS_PER_NODE`` is known
where ``resources`` leave one choice. The release comes from ``image_id`` or from what ``setup`` installs.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from llmtune.readers import launch, shell, start
from llmtune.readers.numbers import counted
from llmtune.readers.yaml_facts import (
    HOLES,
    count_fact,
    is_hidden,
    is_yaml,
    roots,
    text_fact,
    variables_of,
)
from llmtune.readers.yaml_tree import Yaml, about_duplicates
from llmtune.spec.server import Document
from llmtune.spec.surroundings import UNKNOWN, Fact, Mount, Port, Probe, Surroundings
from llmtune.spec.word import is_unknown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llmtune.readers.shell import Command
    from llmtune.readers.source import Source
    from llmtune.spec.server import Server, Variable
    from llmtune.spec.span import Span

KIND = "skypilot"
ORDER = 20
SCRIPT = re.compile(r"^(run|setup)[ \t]*:", re.MULTILINE)
TASK = re.compile(r"^(resources|envs|secrets|num_nodes|file_mounts|workdir|service)[ \t]*:", re.MULTILINE)
ACCELERATOR = re.compile(r"\s*([A-Za-z][\w. -]*?)\s*(?::\s*(\d+))?\s*")
DOCKER = "docker:"


def recognises(source: Source) -> bool:
    """Whether the text has a script and what SkyPilot needs beside it."""
    return is_yaml(source) and bool(SCRIPT.search(source.text) and TASK.search(source.text))


def read_document(source: Source) -> Document:
    """Every server that the tasks of a file start.

    Raises:
        ReadError: for what is no YAML.

    """
    found = roots(source)
    servers = [server for root in found if root.is_mapping for server in _servers(root)]
    return Document(source.name, KIND, tuple(servers), tuple(about_duplicates(found)))


def _servers(task: Yaml) -> list[Server]:
    around = _surroundings(task)
    variables = (*variables_of(task["envs"]), *_secrets(task["secrets"]))
    known = {variable.name: variable.value for variable in variables if not variable.secret}
    known |= _given(around)
    setup = shell.commands(task["setup"].excerpt, known) if task["setup"].text else []
    commands = shell.commands(task["run"].excerpt, known) if task["run"].text else []
    return start.servers_of(commands, around, name=task["name"].text, variables=variables, release=_installed(setup))


def _secrets(node: Yaml) -> Iterator[Variable]:
    """``secrets:`` are variables, too; what stands there is as open as anything in the file."""
    for variable in variables_of(node):
        yield replace(variable, secret=is_unknown(variable.value))


def _given(around: Surroundings) -> dict[str, str]:
    """What SkyPilot tells the script about its machines."""
    known = {}
    if around.gpus is not None and around.gpus.value is not UNKNOWN:
        known["SKYPILOT_NUM_GPUS_PER_NODE"] = str(around.gpus.value)
    if around.nodes is None:
        known["SKYPILOT_NUM_NODES"] = "1"
    elif around.nodes.value is not UNKNOWN:
        known["SKYPILOT_NUM_NODES"] = str(around.nodes.value)
    return known


def _installed(commands: list[Command]) -> Fact[str] | None:
    """The release that the last ``pip install vllm==...`` of the set-up pins."""
    return next((fact for command in reversed(commands) if (fact := launch.pinned(command))), None)


def _surroundings(task: Yaml) -> Surroundings:
    resources = task["resources"]
    choices = _choices(resources)
    gpu_name, gpus = _only(choices, resources["accelerators"])
    image = resources["image_id"]
    docker = image.text.startswith(DOCKER)
    return Surroundings(
        platform="skypilot",
        image=_image(image) if docker else None,
        gpus=gpus,
        gpu_name=gpu_name,
        instance=text_fact(resources["instance_type"]),
        nodes=count_fact(task["num_nodes"]),
        mounts=tuple(Mount(path, node.key_span) for path, node in task["file_mounts"].entries.items()),
        ports=tuple(_ports(resources["ports"])),
        probes=tuple(_probes(task.at("service.readiness_probe"))),
        replicas=count_fact(task.at("service.replicas")),
        complete=False,
    )


def _image(node: Yaml) -> Fact[str]:
    name = node.text.removeprefix(DOCKER)
    return Fact[str](UNKNOWN if is_hidden(name) or HOLES.search(name) else name, node.span)


def _choices(resources: Yaml) -> list[tuple[str, int | None, Span]]:
    """Every accelerator that the task may get: name, number (None where it is hidden) and place."""
    alternatives = [*resources["any_of"].items, *resources["ordered"].items]
    nodes = [alternative["accelerators"] for alternative in alternatives] or [resources["accelerators"]]
    found: list[tuple[str, int | None, Span]] = []
    for node in nodes:
        found += [_accelerator(item.text, item.span) for item in node.items]
        found += [_accelerator(_pair(name, value), value.key_span) for name, value in node.entries.items()]
        if node.text:
            found.append(_accelerator(node.text, node.span))
    return found


def _pair(name: str, value: Yaml) -> str:
    """``{L4: 1}`` and the set ``{L4:1}``, whose keys have the number in them."""
    return f"{name}:{value.text}" if value.text else name


def _accelerator(text: str, span: Span) -> tuple[str, int | None, Span]:
    match = ACCELERATOR.fullmatch(text)
    if match is None or is_hidden(text):
        return "", None, span
    return match[1], counted(match[2] or "1"), span


def _only(choices: list[tuple[str, int | None, Span]], node: Yaml) -> tuple[Fact[str] | None, Fact[int] | None]:
    """The name and the number that all choices have; unknown where they differ."""
    if not choices:
        return (None, None) if not node else (Fact[str](UNKNOWN, node.span), Fact[int](UNKNOWN, node.span))
    span = choices[0][2]
    names, counts = {name.casefold() for name, _, _ in choices}, {count for _, count, _ in choices}
    name = choices[0][0] if len(names) == 1 and choices[0][0] else UNKNOWN
    count = choices[0][1] if len(counts) == 1 else None
    return Fact[str](name, span), Fact[int](UNKNOWN if count is None else count, span)


def _ports(node: Yaml) -> Iterator[Port]:
    """Ports that are opened to the internet: ``8081``, a list, or ranges, which say nothing about one server."""
    for item in node.items or [node]:
        number = counted(item.text)
        if number is not None:
            yield Port(number, item.span, "published")


def _probes(node: Yaml) -> Iterator[Probe]:
    path = node.text or node["path"].text
    if not path or is_hidden(path):
        return
    delay = counted(node["initial_delay_seconds"].text)
    yield Probe("readiness", node.span, path, 1200.0 if delay is None else float(delay))  # SkyServe's default
