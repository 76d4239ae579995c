"""dstack services, tasks and development environments: the servers that their ``commands`` start.

Values of ``env`` are known in the commands, unless they are left to the command line; ``DSTACK_GPUS_NUM`` is known
where ``resources.gpu`` leaves one choice (dstackai/dstack, core/models/resources.py, GPUSpec.parse). Without commands
the image's own entry point runs.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from llmtune.readers import shell, start
from llmtune.readers.numbers import counted
from llmtune.readers.source import Excerpt
from llmtune.readers.yaml_facts import bytes_of, count_fact, is_hidden, is_yaml, roots, text_fact, variables_of
from llmtune.readers.yaml_tree import Yaml, about_duplicates
from llmtune.spec.record import dataclass
from llmtune.spec.server import Document
from llmtune.spec.surroundings import UNKNOWN, Fact, Mount, Port, Surroundings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llmtune.readers.source import Source
    from llmtune.spec.server import Server
    from llmtune.spec.span import Span

KIND = "dstack"
ORDER = 20
TYPE = re.compile(r"^type[ \t]*:[ \t]*['\"]?(service|task|dev-environment)\b", re.MULTILINE)
BESIDE = re.compile(r"^(commands|resources|image|python|replicas|port|ports|ide)[ \t]*:", re.MULTILINE)
VENDORS = frozenset({"nvidia", "amd", "intel", "google", "tpu", "tenstorrent", "tt"})


def recognises(source: Source) -> bool:
    """Whether the text is a run configuration of dstack."""
    return is_yaml(source) and bool(TYPE.search(source.text) and BESIDE.search(source.text))


def read_document(source: Source) -> Document:
    """Every server that the configuration starts.

    Raises:
        ReadError: for what is no YAML.

    """
    found = roots(source)
    servers = [server for root in found for run in _runs(root) for server in _servers(run, root)]
    return Document(source.name, KIND, tuple(servers), tuple(about_duplicates(found)))


def _runs(root: Yaml) -> list[Yaml]:
    """The configuration, and groups of replicas that have commands of their own."""
    return [root, *(group for group in root["replicas"].items if group["commands"].items)]


def _servers(run: Yaml, root: Yaml) -> list[Server]:
    around = _surroundings(run, root)
    variables = (*variables_of(root["env"]), *(variables_of(run["env"]) if run.node is not root.node else ()))
    known = {variable.name: variable.value for variable in variables} | _given(around)
    script = _script(run["commands"])
    commands = shell.commands(script, known) if script is not None else []
    name = run["name"].text or root["name"].text
    return start.servers_of(commands, around, name=name, variables=variables)


def _given(around: Surroundings) -> dict[str, str]:
    """What dstack tells the commands about their machines; ``DSTACK_GPUS_NUM`` counts those of all nodes."""
    nodes = 1 if around.nodes is None else around.nodes.value
    gpus = UNKNOWN if around.gpus is None else around.gpus.value
    known = {}
    if nodes is not UNKNOWN:
        known["DSTACK_NODES_NUM"] = str(nodes)
    if gpus is not UNKNOWN:
        known["DSTACK_GPUS_PER_NODE"] = str(gpus)
    if nodes is not UNKNOWN and gpus is not UNKNOWN:
        known["DSTACK_GPUS_NUM"] = str(nodes * gpus)
    return known


def _script(node: Yaml) -> Excerpt | None:
    """The commands as one script, since dstack joins them; every character keeps its place."""
    texts = [item.excerpt for item in node.items if item.text]
    if not texts:
        return None
    joined, offsets = "", list[int]()
    for text in texts:
        joined += text.text + "\n"
        offsets += [*text.offsets[: len(text.text)], text.offsets[len(text.text)]]
    return Excerpt(node.source, joined, [*offsets, offsets[-1]])


@dataclass(frozen=True, slots=True)
class _Gpu:
    """What a configuration asks for: names, how many, how much memory; empty where it does not say."""

    names: tuple[str, ...] = ()
    count: str = ""
    memory: str = ""


def _surroundings(run: Yaml, root: Yaml) -> Surroundings:
    resources = run["resources"] or root["resources"]
    node, image, port = resources["gpu"], run["image"] or root["image"], run["port"] or root["port"]
    gpu = _gpu(node)
    return Surroundings(
        platform="dstack",
        image=text_fact(image),
        gpus=_count(gpu, node.span) if node else None,
        gpu_name=_name(gpu, node.span) if node else None,
        nodes=count_fact(root["nodes"]),
        shared_memory=text_fact(resources["shm_size"]),
        mounts=tuple(_mounts(run["volumes"] or root["volumes"])),
        ports=tuple(_ports(port, run["ports"] or root["ports"])),
        replicas=count_fact(root["replicas"]),
        complete=False,
    )


def _gpu(node: Yaml) -> _Gpu:
    """``24GB``, ``H100:8``, ``A100,H100:80GB:2``, or a mapping with ``name``, ``count`` and ``memory``."""
    if node.is_mapping:
        named = [item.text for item in node["name"].items] or node["name"].text.split(",")
        return _Gpu(tuple(name for name in named if name), _range(node["count"]), _range(node["memory"]))
    if is_hidden(node.text):
        return _Gpu((node.text,), node.text)
    names, count, memory = tuple[str, ...](), "", ""
    for token in node.text.replace(" ", "").split(":"):
        if token.lower() in VENDORS or not token:
            continue
        if token[0].isalpha():
            names = tuple(token.split(","))
        elif any(character.isalpha() for character in token):
            memory = token
        else:
            count = token
    return _Gpu(names, count, memory)


def _range(node: Yaml) -> str:
    """``2``, ``1..4``, or a mapping with ``min`` and ``max``."""
    if not node.is_mapping:
        return node.text.replace(" ", "")
    low, high = node["min"].text, node["max"].text
    return low if low == high else f"{low}..{high}"


def _count(gpu: _Gpu, span: Span) -> Fact[int] | None:
    """How many GPUs: one unless it says more."""
    text = gpu.count or "1"
    low, _, high = text.partition("..")
    number = counted(low) if high in {"", low} else None
    return Fact[int](UNKNOWN if number is None else number, span)


def _name(gpu: _Gpu, span: Span) -> Fact[str] | None:
    """The one card that is asked for, with its memory where that is said, too."""
    if not gpu.names:
        return None
    if len(gpu.names) > 1 or is_hidden(gpu.names[0]):
        return Fact[str](UNKNOWN, span)
    exact = gpu.memory and ".." not in gpu.memory and bytes_of(gpu.memory) is not None
    return Fact[str](f"{gpu.names[0]} {gpu.memory}" if exact else gpu.names[0], span)


def _mounts(node: Yaml) -> Iterator[Mount]:
    for item in node.items:
        path, kind = item["path"].text, "claim" if item["name"].text else "host-path"
        if item.text:
            path, kind = item.text.rpartition(":")[2], "host-path" if item.text.startswith("/") else "claim"
        if path:
            yield Mount(path, item.span, kind)


def _ports(port: Yaml, ports: Yaml) -> Iterator[Port]:
    """The port of a service (``8000``, ``80:8000``, a mapping), or those of a task; the last number is the server's."""
    for item in [port["local"], port, *ports.items]:
        number = counted(item.text.rpartition(":")[2])
        if number is not None:
            yield Port(number, item.span, "service")
