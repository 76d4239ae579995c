from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from llmtune.readers import ReadError, read_document
from llmtune.readers.kinds import production_stack
from llmtune.readers.server import read_server
from llmtune.readers.source import Source
from llmtune.spec.surroundings import UNKNOWN
from llmtune.spec.word import is_unknown

if TYPE_CHECKING:
    from llmtune.spec.engine import EngineVersion
    from llmtune.spec.server import Document, Server
    from llmtune.spec.span import Span

VALUES = """\
servingEngineSpec:
  containerPort: 8100
  vllmApiKey: {secretName: keys, secretKey: api}
  containerSecurityContext:
    capabilities: {add: [SYS_ADMIN]}
  strategy: {type: Recreate}
  livenessProbe:
    initialDelaySeconds: 900
    httpGet: {path: /ping}
  readinessProbe: null
  modelSpec:
  - name: chat
    repository: vllm/vllm-openai
    tag: "v0.9.2"
    modelURL: "org/chat-7b"   # the id
    replicaCount: 3
    requestCPU: 500m
    requestMemory: 16Gi
    limitMemory: 24Gi
    requestGPU: 2
    pvcStorage: 80Gi
    enableTool: true
    toolCallParser: hermes
    vllmConfig:
      enablePrefixCaching: true
      enableChunkedPrefill: false
      maxModelLen: 8192
      tensorParallelSize: 2
      gpuMemoryUtilization: 0.92
      kvCacheDtype: fp8
      extraArgs: ["--max-num-batched-tokens", "4096", --swap-space=$(SWAP), '--seed', '7']
    modelRevision: main
    env:
    - name: SWAP
      value: "8"
    - name: TOKEN
      valueFrom: {secretKeyRef: {name: a, key: b}}
    nodeSelectorTerms:
    - matchExpressions:
      - {key: nvidia.com/gpu.product, operator: In, values: [NVIDIA-L40S]}
    shmSize: 6Gi
  - name: off
    enabled: false
    modelURL: org/off
"""


def server(text: str, *, at: int = 0) -> Server:
    return document(text).servers[at]


def document(text: str) -> Document:
    found = read_document(text, "values.yaml")
    assert found is not None
    assert found.kind == "production-stack"
    return found


def cut(text: str, span: Span | None) -> str:
    assert span is not None
    return Source(text, "values.yaml").slice(span)


def test_flags_stand_where_their_keys_do() -> None:
    found = server(VALUES)
    assert [(word.text, cut(VALUES, word.span)) for word in found.words] == [
        ("org/chat-7b", '"org/chat-7b"'),
        ("--port", "containerPort"),
        ("8100", "8100"),
        ("--enable-auto-tool-choice", "enableTool"),
        ("--tool-call-parser", "toolCallParser"),
        ("hermes", "hermes"),
        ("--no-enable-chunked-prefill", "enableChunkedPrefill"),
        ("--max-model-len", "maxModelLen"),
        ("8192", "8192"),
        ("--tensor-parallel-size", "tensorParallelSize"),
        ("2", "2"),
        ("--gpu-memory-utilization", "gpuMemoryUtilization"),
        ("0.92", "0.92"),
        ("--max-num-batched-tokens", '"--max-num-batched-tokens"'),
        ("4096", '"4096"'),
        ("--swap-space=8", "--swap-space=$(SWAP)"),
        ("--seed", "'--seed'"),
        ("7", "'7'"),
        ("--revision", "modelRevision"),
        ("main", "main"),
    ]
    assert (found.name, found.entry) == ("chat", "serve")
    assert (found.span.line, found.span.column, found.span.end_column) == (12, 11, 15)
    places = {word.text: (word.span.line, word.span.column) for word in found.words if word.span}
    assert places["8192"] == (27, 20)
    assert places["--swap-space=8"] == (31, 55)


def test_only_a_value_can_be_edited() -> None:
    words = {word.text: word for word in server(VALUES).words}
    assert words["--max-model-len"].edit(0, 15, "--port") is None
    edit = words["8192"].edit(0, 4, "4096")
    assert edit is not None
    assert cut(VALUES, edit.span) == "8192"


def test_surroundings() -> None:
    around = server(VALUES).surroundings
    facts = {
        name: getattr(around, name)
        for name in (
            "image",
            "gpus",
            "gpu_name",
            "shared_memory",
            "strategy",
            "replicas",
            "memory_limit",
            "cpu_request",
        )
    }
    assert {name: (fact.value, cut(VALUES, fact.span)) for name, fact in facts.items()} == {
        "image": ("vllm/vllm-openai:v0.9.2", '"v0.9.2"'),
        "gpus": (2, "2"),
        "gpu_name": ("NVIDIA-L40S", "NVIDIA-L40S"),
        "shared_memory": ("6Gi", "6Gi"),
        "strategy": ("Recreate", "Recreate"),
        "replicas": (3, "3"),
        "memory_limit": (24 * 2**30, "24Gi"),
        "cpu_request": (0.5, "500m"),
    }
    assert around.platform == "helm"
    assert around.complete
    assert [(mount.path, mount.kind) for mount in around.mounts] == [("/data", "claim")]
    assert [(port.number, port.role) for port in around.ports] == [(8100, "container")]
    assert [fact.value for fact in around.capabilities] == ["SYS_ADMIN"]
    probes = [(probe.kind, probe.path, probe.delay, probe.period, probe.failures) for probe in around.probes]
    assert probes == [("startup", "/health", 15, 10, 60), ("liveness", "/ping", 900, 10, 3)]


def test_variables() -> None:
    found = {variable.name: variable for variable in server(VALUES).variables}
    assert [(name, variable.secret) for name, variable in found.items()] == [
        ("HF_HOME", False),
        ("VLLM_API_KEY", True),
        ("SWAP", False),
        ("TOKEN", True),
    ]
    assert found["HF_HOME"].value == "/data"
    assert cut(VALUES, found["SWAP"].word.span) == 'name: SWAP\n      value: "8"'
    extent = found["SWAP"].word.extent
    assert extent is not None
    assert (extent.line, extent.end_line) == (34, 36)
    literal = server("servingEngineSpec:\n  modelSpec:\n  - name: a\n    modelURL: b\n    hf_token: hf_x\n")
    token = literal.variables[-1]
    assert (token.name, token.value, token.secret) == ("HF_TOKEN", "hf_x", False)


def test_deployment(engine: EngineVersion) -> None:
    reading = read_server(server(VALUES.replace("--swap-space=$(SWAP), ", "")), engine)
    unknown = ["--enable-auto-tool-choice", "--tool-call-parser", "--no-enable-chunked-prefill"]
    assert [problem.flag for problem in reading.problems] == unknown  # the small table has none of them
    assert reading.deployment.model == "org/chat-7b"
    assert reading.deployment.value("tensor-parallel-size") == 2
    assert reading.deployment.value("max-model-len") == 8192
    assert not reading.open_ended


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ("{enablePrefixCaching: false}", ["--no-enable-prefix-caching"]),
        ("{enablePrefixCaching: true}", []),  # the default of vLLM, not of the chart
        ("{enablePrefixCaching: true, v0: '1'}", ["--enable-prefix-caching"]),
        ("{enableChunkedPrefill: true}", ["--enable-chunked-prefill"]),
        ("{v0: '1'}", []),
        ("{pipelineParallelSize: 2}", []),
        (
            "{maxLoras: 4, runner: pooling, convert: embed}",
            ["--max-loras", "4", "--runner", "pooling", "--convert", "embed"],
        ),
        ("{}", []),
    ],
)
def test_vllm_config(config: str, words: list[str]) -> None:
    text = f"servingEngineSpec:\n  modelSpec:\n  - modelURL: m\n    vllmConfig: {config}\n"
    assert [word.text for word in server(text).words] == ["m", *words]


def test_an_old_release_had_another_chart() -> None:
    entry = "  - modelURL: m\n    tag: TAG\n    vllmConfig: {enableChunkedPrefill: false}\n"
    text = f"servingEngineSpec:\n  modelSpec:\n{entry}"
    assert [word.text for word in server(text.replace("TAG", "v0.7.3")).words] == ["m"]
    newer = ["m", "--no-enable-chunked-prefill"]
    assert [word.text for word in server(text.replace("TAG", "v0.8.5")).words] == newer


def test_ray_makes_nodes_of_replicas() -> None:
    text = """\
servingEngineSpec:
  modelSpec:
  - name: big
    modelURL: org/big
    replicaCount: 1
    requestGPU: 8
    vllmConfig: {tensorParallelSize: 8, pipelineParallelSize: 2}
    raySpec: {enabled: true, headNode: {requestGPU: 8}}
"""
    found = server(text)
    texts = [word.text for word in found.words]
    assert texts[1:3] == ["--distributed-executor-backend", "ray"]
    assert texts[-2:] == ["--pipeline-parallel-size", "2"]
    around = found.surroundings
    assert around.nodes is not None
    assert (around.nodes.value, around.replicas) == (2, None)
    assert around.shared_memory is not None
    assert (around.shared_memory.value, cut(text, around.shared_memory.span)) == ("20Gi", "8")


def test_lmcache() -> None:
    text = """\
servingEngineSpec:
  modelSpec:
  - modelURL: m
    lmcacheConfig: {enabled: true, kvRole: kv_producer, cudaVisibleDevices: "0,1"}
"""
    found = server(text)
    assert [word.text for word in found.words] == [
        "m",
        "--kv-transfer-config",
        '{"kv_connector": "LMCacheConnectorV1", "kv_role": "kv_producer"}',
    ]
    assert found.surroundings.all_gpus
    assert found.surroundings.gpu_ids is None
    assert [(item.name, item.value) for item in found.variables] == [
        ("HF_HOME", "/tmp"),
        ("CUDA_VISIBLE_DEVICES", "0,1"),
    ]
    split = server(text.replace("kvRole: kv_producer", "enablePD: true")).surroundings.shared_memory
    assert split is not None
    assert split.value == "host"


def test_cache_of_models() -> None:
    text = "servingEngineSpec:\n  modelSpec:\n  - modelURL: m\n"
    shared = server(text + "sharedPvcStorage: {enabled: true}\n")
    assert [mount.path for mount in shared.surroundings.mounts] == ["/data/shared-pvc-storage"]
    assert [variable.value for variable in shared.variables] == ["/data/shared-pvc-storage"]
    assert [variable.value for variable in server(text).variables] == ["/tmp"]
    assert server(text).surroundings.mounts == ()


def test_parts_of_a_gpu_have_no_name() -> None:
    text = "servingEngineSpec:\n  modelSpec:\n  - modelURL: m\n    requestGPU: 1\n    {}: {}\n"
    for key, value in (("requestGPUType", "nvidia.com/mig-3g.20gb"), ("requestGPUMem", "3000")):
        name = server(text.format(key, value)).surroundings.gpu_name
        assert name is not None
        assert name.value is UNKNOWN


def test_templates_are_holes(engine: EngineVersion) -> None:
    text = """\
servingEngineSpec:
  modelSpec:
  {{- range .models }}
  - name: {{ .name }}
    repository: vllm/vllm-openai
    tag: {{ .tag }}
    modelURL: ${MODEL}
    requestGPU: {{ .gpus }}
    vllmConfig:
      maxModelLen: {{ .length }}
      {{- with .more }}
      dtype: bfloat16
      {{- end }}
  {{- end }}
"""
    found = server(text)
    around = found.surroundings
    assert around.image is not None
    assert around.gpus is not None
    assert (around.image.value, around.gpus.value, around.complete) == (UNKNOWN, UNKNOWN, False)
    reading = read_server(found, engine)
    assert is_unknown(reading.deployment.model)
    assert reading.open_ended
    assert {setting.flag: setting.known for setting in reading.deployment.settings} == {
        "max-model-len": False,
        "dtype": True,
    }


@pytest.mark.parametrize(
    "text",
    [
        "servingEngineSpec:\n",
        "servingEngineSpec: text\n",
        "servingEngineSpec:\n  enableEngine: false\n  modelSpec:\n  - modelURL: m\n",
        "servingEngineSpec:\n  modelSpec: [a, 1, null, [b]]\n",
        "servingEngineSpec:\n  modelSpec:\n  - {{ if }}\n  bad: [\n",
    ],
)
def test_no_server(text: str) -> None:
    assert document(text).servers == ()


def test_odd_shapes_are_read() -> None:
    text = """\
servingEngineSpec:
  modelSpec:
  - vllmConfig: [1]
    env: {a: b}
    extraVolumeMounts: 3
    pvcStorage: {emptyDir: {}}
"""
    found = server(text)
    assert is_unknown(found.words[0].text)
    assert [(mount.path, mount.kind) for mount in found.surroundings.mounts] == [("/data", "empty-dir")]


def test_broken_yaml() -> None:
    with pytest.raises(ReadError, match=r"values\.yaml:3:1: not valid YAML"):
        read_document("servingEngineSpec:\n  a: [\n", "values.yaml")


def test_recognises() -> None:
    assert production_stack.recognises(Source(VALUES, "x.yaml"))
    assert not production_stack.recognises(Source("spec:\n  servingEngineSpec: 1\n", "x.yaml"))


@pytest.mark.parametrize(
    ("name", "known"),
    [
        *[(name, True) for name in ("a.yaml", "b/a.yml", "a.yaml.j2", "<text>", "-")],
        *[(name, False) for name in ("Makefile", "README.md", "a.py", "run.sh")],
    ],
)
def test_only_files_of_yaml(name: str, known: bool) -> None:  # noqa: FBT001 - a table of truth values
    assert production_stack.recognises(Source(VALUES, name)) is known
