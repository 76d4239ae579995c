"""Ray Serve LLM: every ``LLMConfig`` of a Serve configuration, of a ``RayService`` or of a file of its own.

``engine_kwargs`` are engine arguments by their Python names. Ray adds the model and the name it is served under, and
runs the workers itself (ray-project/ray, python/ray/llm/_internal/serve/engines/vllm/vllm_models.py, VLLMEngineConfig).
How many GPUs the cluster has says nothing about one server, because Ray places several on it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from llmtune.readers.source import Source
from llmtune.readers.yaml_facts import (
    count_fact,
    hidden_word,
    hides_lines,
    is_yaml,
    roots,
    text_fact,
    variables_of,
    with_holes,
)
from llmtune.readers.yaml_tree import Yaml, about_duplicates
from llmtune.spec.server import ConfigText, Document, Server
from llmtune.spec.surroundings import Surroundings
from llmtune.spec.word import Word, hole

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llmtune.spec.finding import Notice
    from llmtune.spec.server import Variable
    from llmtune.spec.surroundings import Fact

KIND = "ray-serve"
ORDER = 20
CONFIG = re.compile(r"^[ \t-]*['\"]?model_loading_config['\"]?[ \t]*:", re.MULTILINE)
SERVICE = re.compile(r"^[ \t]*kind[ \t]*:[ \t]*['\"]?RayService\b", re.MULTILINE)
IMPORT = re.compile(r"^[ \t-]*import_path[ \t]*:[ \t]*['\"]?ray\.serve\.llm\b", re.MULTILINE)
TAKEN = frozenset({"disable_log_requests"})  # Ray turns it into what the release has
GPU_LABELS = ("cloud.google.com/gke-accelerator", "nvidia.com/gpu.product", "gpu.nvidia.com/class")
INSTANCE_LABEL = "node.kubernetes.io/instance-type"


def recognises(source: Source) -> bool:
    """Whether the text configures models of Ray Serve, or a service of Ray."""
    return is_yaml(source) and any(pattern.search(source.text) for pattern in (CONFIG, SERVICE, IMPORT))


def read_document(source: Source) -> Document:
    """Every model of the file that vLLM serves.

    Raises:
        ReadError: for what is no YAML.

    """
    found = roots(source)
    servers: list[Server] = []
    notices: list[Notice] = about_duplicates(found)
    for root in found:
        inner = roots(_inside(root["spec"]["serveConfigV2"])) if root["kind"].text == "RayService" else []
        notices += about_duplicates(inner)
        cluster = root.at("spec.rayClusterConfig")
        for config in inner or [root]:
            servers += _servers(config, cluster)
    return Document(source.name, KIND, tuple(servers), tuple(notices))


def _inside(node: Yaml) -> Source:
    """The YAML in a block of text as a source of its own, with every character at its place in the file."""
    text, source = node.source.text, node.source
    if node.style != "|":
        return Source("", source.name)
    start, end = source.offset(node.span.line + 1, 1), source.offset(node.span.end_line + 1, 1)
    return Source(re.sub(r"[^\n]", " ", text[:start]) + text[start:end], source.name)


def _servers(root: Yaml, cluster: Yaml) -> Iterator[Server]:
    for application in root["applications"].items or [root]:
        around = (*_container_variables(cluster), *variables_of(application.at("runtime_env.env_vars")))
        for node in application.walk():
            if node["model_loading_config"].is_mapping and "vllm" in (node["llm_engine"].text or "vllm").lower():
                yield _server(node, cluster, around)


def _server(config: Yaml, cluster: Yaml, around: tuple[Variable, ...]) -> Server:
    loading, arguments = config["model_loading_config"], config["engine_kwargs"]
    own = variables_of(config.at("runtime_env.env_vars"))
    return Server(
        name=loading["model_id"].text,
        span=(loading["model_id"] or loading).span,
        entry="engine",
        words=tuple(_words(config)),
        config=ConfigText("engine", _without(arguments, TAKEN)) if arguments.is_mapping else None,
        variables=tuple({variable.name: variable for variable in (*around, *own)}.values()),
        surroundings=_surroundings(config, cluster),
    )


def _words(config: Yaml) -> Iterator[Word]:
    """What Ray passes beside ``engine_kwargs``."""
    loading, arguments = config["model_loading_config"], config["engine_kwargs"]
    source, name = loading["model_source"], loading["model_id"]
    model = source if source and not source.is_null else name
    if hides_lines(config):
        yield Word(hole(""), config.span, open=True)
    yield Word("--model", model.key_span)
    yield hidden_word(model.word()) if model.text else Word(hole(""), model.span)
    if name.text and not arguments["served_model_name"]:
        yield Word("--served-model-name", name.key_span)
        yield Word(with_holes(name.text), name.span)
    if not arguments["distributed_executor_backend"]:
        yield Word("--distributed-executor-backend", config["model_loading_config"].key_span)
        yield Word("ray", config["model_loading_config"].key_span)
    degree = config.at("tensor_parallelism.degree")
    if degree.text and not arguments["tensor_parallel_size"]:
        yield Word("--tensor-parallel-size", degree.key_span)
        yield degree.word()


def _without(mapping: Yaml, keys: frozenset[str]) -> Yaml:
    """A mapping without some keys."""
    node: Any = mapping.node
    kept = [(key, value) for key, value in node.value if key.id != "scalar" or key.value not in keys]
    if len(kept) == len(node.value):
        return mapping
    left = type(node)(node.tag, kept, node.start_mark, node.end_mark, node.flow_style)
    return Yaml(mapping.source, left, mapping.key_node)


def _surroundings(config: Yaml, cluster: Yaml) -> Surroundings:
    pods = [group.at("template.spec") for group in cluster["workerGroupSpecs"].items]
    selector = pods[0]["nodeSelector"] if len(pods) == 1 else Yaml(config.source)
    labels = [fact for label in GPU_LABELS if (fact := text_fact(selector[label]))]
    images = [container["image"] for pod in pods for container in pod["containers"].items[:1]]
    return Surroundings(
        platform="ray",
        image=_only([fact for image in images if (fact := text_fact(image))]),
        gpu_name=text_fact(config["accelerator_type"]) or (labels[0] if labels else None),
        instance=text_fact(selector[INSTANCE_LABEL]),
        replicas=count_fact(config.at("deployment_config.num_replicas")),
        complete=False,
    )


def _only(facts: list[Fact[str]]) -> Fact[str] | None:
    """The one value that all facts have."""
    return facts[0] if len({fact.value for fact in facts}) == 1 else None


def _container_variables(cluster: Yaml) -> tuple[Variable, ...]:
    """The environment of the workers, which the engine inherits."""
    pods = [group.at("template.spec") for group in cluster["workerGroupSpecs"].items]
    return tuple(
        variable for pod in pods for item in pod["containers"].items[:1] for variable in variables_of(item["env"])
    )
