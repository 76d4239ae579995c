"""KubeAI: ``kind: Model`` resources and the ``catalog`` of its Helm chart of models, where the engine is vLLM.

The controller runs ``python3 -m vllm.entrypoints.openai.api_server`` with the model of ``url``, the name of the
resource as ``--served-model-name`` and then ``args``; the image and the pod come from KubeAI's own configuration, which
is somewhere else (substratusai/kubeai of July 2025, internal/modelcontroller/engine_vllm.go).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from llmtune.readers.numbers import counted
from llmtune.readers.yaml_facts import (
    container_word,
    count_fact,
    hides_lines,
    is_hidden,
    is_yaml,
    roots,
    stated,
    text_fact,
    variables_of,
    with_holes,
)
from llmtune.readers.yaml_tree import Yaml, about_duplicates
from llmtune.spec.server import Document, Server
from llmtune.spec.surroundings import UNKNOWN, Fact, Mount, Surroundings
from llmtune.spec.word import Word, hole

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llmtune.readers.source import Source
    from llmtune.spec.server import Variable

KIND = "kubeai"
ORDER = 20
RESOURCE = re.compile(r"^[ \t]*apiVersion[ \t]*:[ \t]*['\"]?kubeai\.org/", re.MULTILINE)
CATALOG = re.compile(r"^catalog[ \t]*:", re.MULTILINE)
ENGINE = re.compile(r"^[ \t]+engine[ \t]*:[ \t]*['\"]?VLLM", re.MULTILINE)
HUB = "hf://"
SERVED_NAME = re.compile(r"--served[-_]model[-_]name(=.*)?", re.DOTALL)
NO_GPU = re.compile(r"cpu|tpu", re.IGNORECASE)
SHARED_MEMORY = "memory"  # the controller mounts memory without a limit at /dev/shm


def recognises(source: Source) -> bool:
    """Whether the text has a resource of KubeAI, or models for its chart."""
    text = source.text
    return is_yaml(source) and bool(RESOURCE.search(text) or (CATALOG.search(text) and ENGINE.search(text)))


def read_document(source: Source) -> Document:
    """Every model that vLLM serves.

    Raises:
        ReadError: for what is no YAML.

    """
    found = roots(source)
    servers = [
        _server(name, spec) for root in found for name, spec in _models(root) if spec["engine"].text.upper() == "VLLM"
    ]
    return Document(source.name, KIND, tuple(servers), tuple(about_duplicates(found)))


def _models(root: Yaml) -> Iterator[tuple[Yaml, Yaml]]:
    """The name and the specification of every model."""
    for resource in [root, *root["items"].items]:
        if resource["kind"].text == "Model" and resource["apiVersion"].text.startswith("kubeai.org/"):
            yield resource.at("metadata.name"), resource["spec"]
    for spec in root["catalog"].entries.values():
        yield Yaml(spec.source, spec.key_node), spec


def _server(name: Yaml, spec: Yaml) -> Server:
    variables = variables_of(spec["env"])
    if spec["adapters"].items:
        variables += (stated("VLLM_ALLOW_RUNTIME_LORA_UPDATING", "True", spec["adapters"]),)
    return Server(
        name=name.text,
        span=(name or spec).span,
        entry="api_server",
        words=tuple(container_word(word, variables) for word in _words(name, spec)),
        variables=(*variables, *_from_elsewhere(spec)),
        surroundings=_surroundings(spec),
    )


def _words(name: Yaml, spec: Yaml) -> Iterator[Word]:
    yield from _model(spec["url"])
    if hides_lines(spec):
        yield Word(hole(""), spec.span, open=True)
    arguments = [item.word() for item in spec["args"].items]
    if name and not any(SERVED_NAME.fullmatch(word.text) for word in arguments):
        yield Word("--served-model-name", name.span)
        yield Word(with_holes(name.text), name.span)
    if spec["url"].text.startswith("s3://"):
        yield Word("--load-format=runai_streamer", spec["url"].span)
    yield from arguments
    if spec["adapters"].items:
        yield Word("--enable-lora", spec["adapters"].key_span)


def _model(url: Yaml) -> Iterator[Word]:
    """The model as the engine sees it: an id of the Hub, an address, or a directory that is not known here."""
    scheme, _, rest = url.text.partition("://")
    path = rest.partition("?")[0]
    yield Word("--model", url.key_span)
    if scheme == "s3" or not path or is_hidden(url.text):
        yield Word(url.text if scheme == "s3" and not is_hidden(url.text) else hole(url.text), url.span)
    elif scheme == "hf":
        start, end = len(HUB), len(HUB) + len(path)
        yield Word(path, url.excerpt.span(start, end), plain=url.excerpt.is_plain(start, end))
    else:
        yield Word(hole(url.text), url.span)


def _from_elsewhere(spec: Yaml) -> Iterator[Variable]:
    """Names that ``envFrom`` may bring: any, so none that a rule could look for."""
    for item in spec["envFrom"].items:
        yield stated("", hole(""), item, secret=True)


def _surroundings(spec: Yaml) -> Surroundings:
    profile = spec["resourceProfile"]
    name, _, count = profile.text.rpartition(":")
    known = bool(name) and not is_hidden(profile.text)
    gpu = known and not NO_GPU.search(name)
    number = counted(count) if known else None
    cache = spec["cacheProfile"]
    counts = bool(profile.text) and (gpu or not known)
    return Surroundings(
        platform="kubernetes",
        image=text_fact(spec["image"]),
        gpus=Fact[int](UNKNOWN if number is None else number, profile.span) if counts else None,
        gpu_name=Fact[str](name if known else UNKNOWN, profile.span) if profile.text else None,
        shared_memory=Fact[str](SHARED_MEMORY, spec.span),
        mounts=(Mount("/model", cache.span, "claim"),) if cache.text else (),
        replicas=count_fact(spec["replicas"]),
        replaces_entrypoint=True,
        complete=False,
    )
