"""The custom resource of the production stack's operator."""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.readers import read_document
from llmtune.readers.source import Source

if TYPE_CHECKING:
    from llmtune.spec.server import Document

RUNTIME = """\
apiVersion: production-stack.vllm.ai/v1alpha1
kind: VLLMRuntime
metadata:
  name: writer
spec:
  model:
    modelURL: org/writer-8b
    enableLoRA: true
    enableTool: true
    toolCallParser: hermes
    maxModelLen: 8192
    dtype: ""
    maxNumSeqs: 0
    hfTokenSecret: {hfTokenSecretName: hub}
  vllmConfig:
    enablePrefixCaching: false
    tensorParallelSize: 2
    gpuMemoryUtilization: "0.9"
    v1: false
    port: 8000
    extraArgs: ["--seed", "1"]
    env:
      - {name: HF_HOME, value: /data}
  lmCacheConfig:
    enabled: true
  storageConfig:
    enabled: true
  deploymentConfig:
    replicas: 2
    shmSize: 16Gi
    deploymentStrategy: Recreate
    resources: {cpu: "8", memory: 64Gi, gpu: "2"}
    image: {registry: docker.io, name: "vllm/vllm-openai:v0.20.0"}
"""


def document(text: str) -> Document:
    found = read_document(text, "writer.yaml")
    assert found is not None
    assert found.kind == "vllm-runtime"
    return found


def cut(span: object) -> str:
    return Source(RUNTIME, "writer.yaml").slice(span)  # type: ignore[arg-type]


def test_words_and_places() -> None:
    (server,) = document(RUNTIME).servers
    assert (server.name, server.entry, cut(server.span)) == ("writer", "serve", "writer")
    assert [(word.text, cut(word.span)) for word in server.words] == [
        ("org/writer-8b", "org/writer-8b"),
        ("--enable-lora", "enableLoRA"),
        ("--enable-auto-tool-choice", "enableTool"),
        ("--no-enable-chunked-prefill", "vllmConfig"),
        ("--no-enable-prefix-caching", "enablePrefixCaching"),
        ("--port", "port"),
        ("8000", "8000"),
        ("--tool-call-parser", "toolCallParser"),
        ("hermes", "hermes"),
        ("--max-model-len", "maxModelLen"),
        ("8192", "8192"),
        ("--tensor-parallel-size", "tensorParallelSize"),
        ("2", "2"),
        ("--gpu-memory-utilization", "gpuMemoryUtilization"),
        ("0.9", '"0.9"'),
        ("--seed", '"--seed"'),
        ("1", '"1"'),
        ("--kv-transfer-config", "true"),
        ('{"kv_connector": "LMCacheConnector", "kv_role": "kv_both"}', "true"),
    ]
    assert [(item.name, item.secret) for item in server.variables] == [
        ("VLLM_USE_V1", False),
        ("VLLM_ALLOW_RUNTIME_LORA_UPDATING", False),
        ("HF_TOKEN", True),
        ("HF_HOME", False),
    ]


def test_surroundings() -> None:
    around = document(RUNTIME).servers[0].surroundings
    facts = (around.image, around.gpus, around.shared_memory, around.replicas, around.strategy, around.memory_limit)
    assert [fact.value for fact in facts if fact] == [
        "docker.io/vllm/vllm-openai:v0.20.0",
        2,
        "16Gi",
        2,
        "Recreate",
        64 << 30,
    ]
    assert [(mount.path, mount.kind) for mount in around.mounts] == [("/data", "claim"), ("/dev/shm", "memory")]
    assert [probe.kind for probe in around.probes] == ["startup", "liveness", "readiness"]
    assert around.replaces_entrypoint
    assert not around.complete


def test_parts_of_gpus_and_what_is_not_said() -> None:
    text = (
        "apiVersion: production-stack.vllm.ai/v1alpha1\nkind: VLLMRuntime\nmetadata: {name: a}\nspec:\n"
        "  model: {}\n  deploymentConfig: {resources: {gpu: '1', gpuType: nvidia.com/mig-1g.10gb}}\n"
    )
    (server,) = document(text).servers
    assert server.surroundings.image is None
    assert server.surroundings.gpus is not None
    assert not isinstance(server.surroundings.gpus.value, int)


def test_other_manifests_are_read_too() -> None:
    pod = (
        "---\napiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec:\n  containers:\n"
        "    - {name: c, image: 'vllm/vllm-openai:v0.20.0', args: [--model, org/other]}\n"
    )
    assert [server.name for server in document(RUNTIME + pod).servers][:1] == ["writer"]
    assert len(document(RUNTIME + pod).servers) == 2


def test_other_groups_are_not_taken() -> None:
    text = RUNTIME.replace("production-stack.vllm.ai", "example.org")
    found = read_document(text, "writer.yaml")
    assert found is not None
    assert found.kind == "kubernetes"
