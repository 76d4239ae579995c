"""``kind: VLLMRuntime``, the custom resource of the vLLM production stack's operator: one server each.

What the operator makes of a field is a flag with the field's place; the probes are its own
(vllm-project/production-stack of August 2026, operator/api/v1alpha1/vllmruntime_types.go,
operator/internal/controller/vllmruntime_controller.go). Other manifests of the file are read as they are elsewhere.
Traded for simplicity: what the operator adds without being asked (``--host 0.0.0.0``) is left out, as nobody could
change it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from llmtune.readers.kinds.kubernetes import manifests_of, servers_of_manifests
from llmtune.readers.yaml_facts import (
    container_word,
    cores_fact,
    count_fact,
    hides_lines,
    is_false,
    is_hidden,
    is_true,
    is_yaml,
    memory_fact,
    roots,
    stated,
    text_fact,
    variables_of,
)
from llmtune.readers.yaml_files import duplicates
from llmtune.spec.server import Document, Server
from llmtune.spec.surroundings import UNKNOWN, Fact, Mount, Port, Probe, Surroundings
from llmtune.spec.word import Word, hole

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llmtune.readers.source import Source
    from llmtune.readers.yaml_tree import Yaml
    from llmtune.spec.server import Variable

KIND = "vllm-runtime"
ORDER = 20
RESOURCE = re.compile(r"^[ \t-]*kind[ \t]*:[ \t]*['\"]?VLLMRuntime(?:List)?\b", re.MULTILINE)
GROUP = "production-stack.vllm.ai/"
FLAGS = (
    ("--port", "vllmConfig.port"),
    ("--tool-call-parser", "model.toolCallParser"),
    ("--max-model-len", "model.maxModelLen"),
    ("--dtype", "model.dtype"),
    ("--tensor-parallel-size", "vllmConfig.tensorParallelSize"),
    ("--max-num-seqs", "model.maxNumSeqs"),
    ("--gpu-memory-utilization", "vllmConfig.gpuMemoryUtilization"),
    ("--max-loras", "vllmConfig.maxLoras"),
)
SWITCHES = (("--enable-lora", "model.enableLoRA"), ("--enable-auto-tool-choice", "model.enableTool"))
# Off unless the field says true: the operator writes the opposite flag then.
OFF = (
    ("--no-enable-chunked-prefill", "enableChunkedPrefill"),
    ("--no-enable-prefix-caching", "enablePrefixCaching"),
)
PROBES = {"startup": (120.0, 20.0, 100.0), "liveness": (10.0, 20.0, 10.0), "readiness": (10.0, 20.0, 10.0)}
STORAGE = "/data"
MEMORY = "/dev/shm"  # noqa: S108 - where the operator mounts shared memory


def recognises(source: Source) -> bool:
    """Whether the text has a resource of the operator."""
    return is_yaml(source) and GROUP in source.text and bool(RESOURCE.search(source.text))


def read_document(source: Source) -> Document:
    """Every runtime, and the servers of other manifests beside them.

    Raises:
        ReadError: for what is no YAML.

    """
    found = roots(source)
    manifests = manifests_of(found)
    runtimes = [root for root in manifests if _is_runtime(root)]
    servers = [_server(root, root["spec"]) for root in runtimes]
    servers += servers_of_manifests([root for root in manifests if not _is_runtime(root)])
    return Document(source.name, KIND, tuple(servers), tuple(duplicates(found)) if servers else ())


def _is_runtime(root: Yaml) -> bool:
    return root["kind"].text == "VLLMRuntime" and root["apiVersion"].text.startswith(GROUP)


def _server(root: Yaml, spec: Yaml) -> Server:
    name = root.at("metadata.name")
    variables = tuple(_variables(spec))
    return Server(
        name=name.text,
        span=(name or root["kind"]).span,
        entry="serve",
        words=tuple(container_word(word, variables) for word in _words(spec)),
        variables=variables,
        surroundings=_surroundings(spec),
    )


def _words(spec: Yaml) -> Iterator[Word]:
    """The arguments that the operator makes of a resource."""
    model, config = spec.at("model.modelURL"), spec["vllmConfig"]
    yield model.word() if model.text else Word(hole(""), spec.span)
    if hides_lines(spec):
        yield Word(hole(""), spec.span, open=True)
    for flag, path in SWITCHES:
        if is_true(spec.at(path)):
            yield Word(flag, spec.at(path).key_span)
    for flag, key in OFF:
        if not config[key] or is_false(config[key]):
            yield Word(flag, (config[key] or config or spec).key_span)
    for flag, path in FLAGS:
        node = spec.at(path)
        if node.text and node.text != "0":
            yield Word(flag, node.key_span)
            yield node.word()
    yield from (item.word() for item in config["extraArgs"].items)
    cache = spec.at("lmCacheConfig.enabled")
    if is_true(cache):
        connector = "LMCacheConnectorV1" if is_true(config["v1"]) else "LMCacheConnector"
        yield Word("--kv-transfer-config", cache.span)
        yield Word(f'{{"kv_connector": "{connector}", "kv_role": "kv_both"}}', cache.span)


def _variables(spec: Yaml) -> Iterator[Variable]:
    config = spec["vllmConfig"]
    if is_false(config["v1"]):
        yield stated("VLLM_USE_V1", "0", config["v1"])
    if is_true(spec.at("model.enableLoRA")):
        yield stated("VLLM_ALLOW_RUNTIME_LORA_UPDATING", "True", spec.at("model.enableLoRA"))
    secret = spec.at("model.hfTokenSecret.hfTokenSecretName")
    if secret.text:
        yield stated("HF_TOKEN", hole(""), secret, secret=True)
    yield from variables_of(config["env"])


def _surroundings(spec: Yaml) -> Surroundings:
    pod, port = spec["deploymentConfig"], count_fact(spec.at("vllmConfig.port"))
    number = port.value if port is not None and isinstance(port.value, int) else None
    resources, shared = pod["resources"], pod["shmSize"]
    return Surroundings(
        platform="kubernetes",
        image=_image(pod["image"]),
        gpus=_gpus(resources),
        shared_memory=text_fact(shared),
        mounts=tuple(_mounts(spec, shared)),
        ports=(Port(number, port.span, "container"),) if port is not None and number is not None else (),
        probes=tuple(Probe(kind, spec.key_span, "/health", *numbers) for kind, numbers in PROBES.items()),
        strategy=text_fact(pod["deploymentStrategy"]),
        replicas=count_fact(pod["replicas"]),
        memory_limit=memory_fact(resources["memory"]),
        cpu_request=cores_fact(resources["cpu"]),
        replaces_entrypoint=True,
        complete=False,  # the operator may add to the pod
    )


def _image(image: Yaml) -> Fact[str] | None:
    """``registry`` and ``name``, which has the tag."""
    if not image["name"].text:
        return None
    text = "/".join(part.text for part in (image["registry"], image["name"]) if part.text)
    return Fact[str](UNKNOWN if is_hidden(text) else text, image["name"].span)


def _gpus(resources: Yaml) -> Fact[int] | None:
    """Whole GPUs; a kind that gives parts of one (MIG) says nothing of their number."""
    kind = resources["gpuType"].text or "nvidia.com/gpu"
    count = count_fact(resources["gpu"])
    return count if count is None or kind in {"nvidia.com/gpu", "amd.com/gpu"} else Fact[int](UNKNOWN, count.span)


def _mounts(spec: Yaml, shared: Yaml) -> Iterator[Mount]:
    storage = spec["storageConfig"]
    if is_true(storage["enabled"]):
        path = storage["mountPath"]
        yield Mount(path.text or STORAGE, (path or storage).span, "claim")
    if shared.text:
        yield Mount(MEMORY, shared.span, "memory", shared.text)
