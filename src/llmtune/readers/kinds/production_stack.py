"""Helm values of the vLLM production stack: one server for each entry of ``servingEngineSpec.modelSpec``.

What the chart makes of a key is a flag with the key's place (vllm-project/production-stack, chart 0.1.11,
helm/templates/deployment-vllm-multi.yaml and ray-cluster.yaml). Keys of ``vllmConfig`` that the chart does not know do
nothing and are left out. Traded for simplicity: a values file does not say which chart it is for, so what only some
charts do (prefix caching off unless it is asked for) is left out, too.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from llmtune.readers.helm_pod import cache_home, surroundings
from llmtune.readers.yaml_facts import (
    container_word,
    hides_lines,
    is_false,
    is_true,
    is_yaml,
    roots,
    stated,
    variables_of,
    with_holes,
)
from llmtune.readers.yaml_tree import about_duplicates
from llmtune.spec.server import Document, Server
from llmtune.spec.word import Word, hole

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llmtune.readers.source import Source
    from llmtune.readers.yaml_tree import Yaml
    from llmtune.spec.server import Variable

KIND = "production-stack"
ORDER = 20
VALUES = re.compile(r"^servingEngineSpec[ \t]*:", re.MULTILINE)
FLAGS = {
    "maxModelLen": "--max-model-len",
    "dtype": "--dtype",
    "tensorParallelSize": "--tensor-parallel-size",
    "maxNumSeqs": "--max-num-seqs",
    "gpuMemoryUtilization": "--gpu-memory-utilization",
    "maxLoras": "--max-loras",
    "runner": "--runner",
    "convert": "--convert",
}
RAY_FLAGS = {"pipelineParallelSize": "--pipeline-parallel-size"}
SWITCHES = {"enableChunkedPrefill": "enable-chunked-prefill", "enablePrefixCaching": "enable-prefix-caching"}
OLD_TAG = re.compile(r"v?0\.(?:[0-7]\.|8\.[0-4])")  # a release before 0.8.5: its chart wrote these switches otherwise


def recognises(source: Source) -> bool:
    """Whether the text has the chart's key."""
    return is_yaml(source) and bool(VALUES.search(source.text))


def read_document(source: Source) -> Document:
    """The servers that the values describe.

    Raises:
        ReadError: for what is no YAML.

    """
    found = roots(source)
    servers = [server for root in found for server in _servers(root["servingEngineSpec"], root["sharedPvcStorage"])]
    return Document(source.name, KIND, tuple(servers), tuple(about_duplicates(found)))


def _servers(engine: Yaml, shared: Yaml) -> Iterator[Server]:
    if is_false(engine["enableEngine"]):
        return
    for spec in engine["modelSpec"].items:
        if spec.is_mapping and not is_false(spec["enabled"]):
            yield _server(spec, engine, shared)


def _server(spec: Yaml, engine: Yaml, shared: Yaml) -> Server:
    variables = (stated("HF_HOME", *cache_home(spec, shared)), *_variables(spec, engine))
    first = spec["name"] or next(iter(spec.entries.values()), spec)
    return Server(
        name=spec["name"].text,
        span=first.span,
        entry="serve",
        words=tuple(container_word(word, variables) for word in _words(spec, engine)),
        variables=variables,
        surroundings=surroundings(spec, engine, shared, complete=not hides_lines(engine)),
    )


def _words(spec: Yaml, engine: Yaml) -> Iterator[Word]:
    """The arguments that the chart makes of an entry, in its order."""
    config, on_ray = spec["vllmConfig"], is_true(spec.at("raySpec.enabled"))
    yield spec["modelURL"].word() if spec["modelURL"].text else Word(hole(""), spec.span)
    if hides_lines(spec):
        yield Word(hole(""), spec.span, open=True)
    yield from _flag("--port", engine["containerPort"])
    if on_ray:
        yield Word("--distributed-executor-backend", spec.at("raySpec.enabled").span)
        yield Word("ray", spec.at("raySpec.enabled").span)
    yield from _switch("--enable-lora", spec["enableLoRA"])
    yield from _switch("--enable-auto-tool-choice", spec["enableTool"])
    yield from _flag("--tool-call-parser", spec["toolCallParser"])
    yield from _switches(spec, config)
    for key, flag in (FLAGS | (RAY_FLAGS if on_ray else {})).items():
        yield from _flag(flag, config[key])
    yield from (item.word() for item in config["extraArgs"].items)
    yield from _flag("--revision", spec["modelRevision"])
    yield from _cache_words(spec["lmcacheConfig"], config)
    yield from _flag("--chat-template", spec["chatTemplate"])


def _switches(spec: Yaml, config: Yaml) -> Iterator[Word]:
    """Chunked prefill and prefix caching.

    The chart turns the latter off unless it is asked for, so asking for it is not idle: where vLLM has it on by
    default, nothing is said about it.
    """
    old = bool(OLD_TAG.match(spec["tag"].text))
    for key, name in SWITCHES.items():
        if is_false(config[key]) and not old:
            yield Word(f"--no-{name}", config[key].key_span)
        elif key != "enablePrefixCaching" or old or config["v0"].text == "1":
            yield from _switch(f"--{name}", config[key])


def _flag(flag: str, node: Yaml) -> Iterator[Word]:
    if node.text:
        yield Word(flag, node.key_span)
        yield node.word()


def _switch(flag: str, node: Yaml) -> Iterator[Word]:
    if is_true(node):
        yield Word(flag, node.key_span)


def _cache_words(cache: Yaml, config: Yaml) -> Iterator[Word]:
    """How the chart connects the KV cache of LMCache."""
    if not is_true(cache["enabled"]):
        return
    connector = "LMCacheConnector" if config["v0"].text == "1" else "LMCacheConnectorV1"
    role = with_holes(cache["kvRole"].text) or "kv_both"
    place = cache["enabled"].span
    yield Word("--kv-transfer-config", place)
    yield Word(f'{{"kv_connector": "{connector}", "kv_role": "{role}"}}', place)


def _variables(spec: Yaml, engine: Yaml) -> Iterator[Variable]:
    """The environment of the container: of the chart where an entry decides it, of the file where it lists it."""
    engine_zero = spec.at("vllmConfig.v0")
    if engine_zero.text == "1":
        yield stated("VLLM_USE_V1", "0", engine_zero)
    for name, node in (("HF_TOKEN", spec["hf_token"]), ("VLLM_API_KEY", engine["vllmApiKey"])):
        if node.is_mapping and node["secretName"].text:
            yield stated(name, hole(""), node, secret=True)
        elif node.text:
            yield stated(name, with_holes(node.text), node)
    yield from variables_of(engine["env"])
    yield from variables_of(spec["env"])
    if spec.at("lmcacheConfig.cudaVisibleDevices").text:
        visible = spec.at("lmcacheConfig.cudaVisibleDevices")
        yield stated("CUDA_VISIBLE_DEVICES", with_holes(visible.text), visible)
