"""KServe: InferenceService, LLMInferenceService with its Config, and ServingRuntime.

The platform adds arguments, probes and volumes of its own, so more arguments may come than stand here, and nothing is
said about what is missing. As in kserve 0.17: config/llmisvcconfig (``vllm serve /mnt/models ... $VLLM_ADDITIONAL_ARGS
$@``, evaluated by a shell) and python/huggingfaceserver (vLLM's arguments beside the wrapper's own).
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from llmtune.readers import shell
from llmtune.readers.kinds.kubernetes import manifests_of, pod_of, pods_of
from llmtune.readers.kserve_words import model_word, parallel_words, without_wrapper
from llmtune.readers.pod_containers import (
    command_of,
    notices_of,
    place_of,
    server_name,
    servers_in,
    servers_of_container,
)
from llmtune.readers.pod_neighbours import neighbours_of
from llmtune.readers.pod_text import expand
from llmtune.readers.pod_variables import environment
from llmtune.readers.pods import Pod, surroundings_of
from llmtune.readers.source import Excerpt
from llmtune.readers.start import TELLING
from llmtune.readers.yaml_facts import count_fact, roots
from llmtune.readers.yaml_files import duplicates, starts_as_yaml
from llmtune.readers.yaml_tree import Yaml
from llmtune.spec.server import Document, Server
from llmtune.spec.surroundings import Fact
from llmtune.spec.word import Word, hole

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from llmtune.readers.pod_neighbours import Neighbours
    from llmtune.readers.source import Source
    from llmtune.spec.server import Variable

KIND = "kserve"
ORDER = 30
VERSION = re.compile(r"(?:^|[{,])[\s-]*['\"]?apiVersion['\"]?\s*:\s*['\"]?serving\.kserve\.io/", re.MULTILINE)
FORMATS = re.compile(r"vllm|huggingface", re.IGNORECASE)
ADDITIONAL = "VLLM_ADDITIONAL_ARGS"
USED = frozenset({ADDITIONAL, "VLLM_API_SERVER_COUNT"})  # by the scripts of config/llmisvcconfig


def recognises(source: Source) -> bool:
    """Whether one of the manifests is KServe's."""
    return "serving.kserve.io" in source.text and bool(VERSION.search(source.text)) and starts_as_yaml(source)


def read_document(source: Source) -> Document:
    """Every server that the manifests of a file make KServe start.

    Raises:
        ReadError: for what is no YAML.

    """
    found = roots(source)
    manifests = manifests_of(found)
    neighbours = neighbours_of(manifests)
    servers = [server for root in manifests for server in _servers(root, neighbours)]
    return Document(source.name, KIND, tuple(servers), tuple(duplicates(found)) if servers else (), USED)


def _servers(root: Yaml, neighbours: Neighbours) -> Iterator[Server]:
    if not root["apiVersion"].text.startswith("serving.kserve.io/"):
        yield from (server for pod in pods_of(root, neighbours) for server in servers_in(pod))
        return
    match root["kind"].text:
        case "InferenceService":
            yield from _inference_service(root, neighbours)
        case "LLMInferenceService" | "LLMInferenceServiceConfig":
            yield from _workload(root, root["spec"], neighbours)
            if root.at("spec.prefill").is_mapping:
                yield from _workload(root, root.at("spec.prefill"), neighbours, role="prefill")
        case "ServingRuntime" | "ClusterServingRuntime":
            yield from map(_open_ended, servers_in(pod_of(root, root, neighbours, complete=False)))


def _open_ended(server: Server) -> Server:
    """A server that is given further arguments by the platform."""
    return replace(server, words=(*server.words, Word(hole("..."), server.span, open=True)))


def _inference_service(root: Yaml, neighbours: Neighbours) -> Iterator[Server]:
    """``predictor.containers`` is a pod of its own; ``predictor.model`` goes to a runtime that is somewhere else."""
    predictor = root.at("spec.predictor")
    template = Yaml(root.source, root.at("spec").node)
    pod = pod_of(root, template, neighbours, complete=False)
    pod = replace(pod, spec=predictor, replicas=count_fact(predictor["minReplicas"]), nodes=_pipeline(predictor))
    yield from map(_open_ended, servers_in(pod))
    model = predictor["model"] or predictor["huggingface"]
    kind = "huggingface" if predictor["huggingface"] else model.at("modelFormat.name").text
    variables = environment(model, neighbours.maps)
    words = command_of(model, variables).words
    if FORMATS.search(f"{kind} {model['runtime'].text}") or any(TELLING.match(word.text) for word in words):
        yield _of_model(pod, model, words, variables)


def _pipeline(predictor: Yaml) -> Fact[int] | None:
    """Nodes of a predictor that is spread over several."""
    return count_fact(predictor.at("workerSpec.pipelineParallelSize"))


def _of_model(pod: Pod, model: Yaml, words: Sequence[Word], variables: tuple[Variable, ...]) -> Server:
    """The server that a runtime starts with a model and its arguments."""
    own, wrapped = without_wrapper(words)
    uri = model_word(model["storageUri"] or model.at("storage.path"))
    named = any(word.text.startswith("--model=") or word.text == "--model" for word in own)
    front = [] if named or uri is None else [Word("--model", uri.span), uri]
    parallel = parallel_words(pod.spec["workerSpec"], ("tensorParallelSize", "pipelineParallelSize"))
    around = replace(surroundings_of(pod, model), complete=False)
    server = Server(
        name=server_name(pod, model),
        span=(model.at("modelFormat.name") or model).span,
        entry="api_server",
        words=(*front, *parallel, *wrapped, *own),
        variables=variables,
        surroundings=around,
        notices=tuple(notices_of(pod, model)),
    )
    return _open_ended(server)


def _workload(root: Yaml, spec: Yaml, neighbours: Neighbours, role: str = "") -> Iterator[Server]:
    """A workload of an LLMInferenceService: its main container, and that of its workers where they are told apart."""
    for template, part in ((spec["template"], role), (spec["worker"], f"{role} worker".strip())):
        worker = part.endswith("worker")
        if worker and not template:
            continue
        pod = pod_of(root, Yaml(root.source, spec.node), neighbours, complete=False)
        name = f"{pod.name} {part}".strip()
        pod = replace(pod, name=name, spec=template, replicas=count_fact(spec["replicas"]), nodes=_nodes(spec))
        mains = [item for item in template["containers"].items if item["name"].text == "main"]
        container = (mains or template["containers"].items or [Yaml(root.source)])[0]
        if container["command"].items:
            yield from map(_open_ended, servers_of_container(pod, container))
        elif _says_something(root, container, worker=worker):
            yield _of_platform(pod, container, root.at("spec.model"), spec["parallelism"])


def _says_something(root: Yaml, container: Yaml, *, worker: bool) -> bool:
    """Whether a workload names a model, or gives arguments to one that is named elsewhere."""
    names = {item["name"].text for item in container["env"].items}
    given = bool(container["args"].items) or ADDITIONAL in names
    return given if worker else given or bool(root.at("spec.model.uri").text)


def _of_platform(pod: Pod, container: Yaml, model: Yaml, parallelism: Yaml) -> Server:
    """The server that the platform's own command starts."""
    variables = environment(container, pod.neighbours.maps)
    uri = model_word(model["uri"])
    first = uri if uri is not None else Word(hole("/mnt/models"), place_of(container))
    called = model["name"]
    names = [Word("--served-model-name", called.key_span), Word(called.text, called.span)] if called.text else []
    parallel = parallel_words(parallelism, ("tensor", "pipeline", "data", "dataLocal", "expert"))
    own = [*_additional(container, variables), *command_of(container, variables).words]
    server = Server(
        name=server_name(pod, container),
        span=place_of(container) if container else model.span,
        entry="serve",
        words=(first, *names, *parallel, *own),
        variables=variables,
        surroundings=replace(surroundings_of(pod, container), complete=False),
        notices=tuple(notices_of(pod, container)),
    )
    return _open_ended(server)


def _additional(container: Yaml, variables: Sequence[Variable]) -> list[Word]:
    """The arguments in VLLM_ADDITIONAL_ARGS, as the shell that evaluates them splits them."""
    known = {variable.name: variable.value for variable in variables if variable.name}
    for item in container["env"].items:
        if item["name"].text == ADDITIONAL:
            if not item["value"].text:
                return [Word(hole(ADDITIONAL), item["name"].span, open=True)]
            text = expand(item["value"].excerpt, known)
            line = Excerpt(text.source, text.text.replace("\n", " "), text.offsets)
            return [word for command in shell.commands(line, known)[:1] for word in command.words]
    return []


def _nodes(spec: Yaml) -> Fact[int] | None:
    """Nodes of a workload with workers: its data-parallel ranks by those of one node, or its pipeline stages."""
    data, local = count_fact(spec.at("parallelism.data")), count_fact(spec.at("parallelism.dataLocal"))
    if not spec["worker"]:
        return None
    if data is None or local is None:
        return count_fact(spec.at("parallelism.pipeline"))
    if isinstance(data.value, int) and isinstance(local.value, int) and local.value > 0:
        return Fact[int](max(1, data.value // local.value), data.span)
    return data
