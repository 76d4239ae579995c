"""KServe's resources: what the platform makes of them, as far as a file says it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmtune.readers import ReadError
from llmtune.readers.kinds import kserve
from llmtune.readers.source import Source
from llmtune.spec.surroundings import UNKNOWN, Fact
from llmtune.spec.word import shown

if TYPE_CHECKING:
    from llmtune.spec.server import Document, Server

INFERENCE = """\
apiVersion: serving.kserve.io/v1beta1
kind: InferenceService
metadata: {name: chat}
spec:
  predictor:
    minReplicas: 2
    nodeSelector: {nvidia.com/gpu.product: NVIDIA-L40S}
    model:
      modelFormat: {name: huggingface}
      storageUri: hf://Qwen/Qwen3-8B
      args:
        - --model_name=chat
        - --backend
        - vllm
        - --max-model-len=8192
        - --tensor-parallel-size
        - "2"
        - --disable_log_requests
      env:
        - {name: HF_TOKEN, valueFrom: {secretKeyRef: {name: hub, key: token}}}
      resources: {limits: {nvidia.com/gpu: 2, memory: 32Gi}}
"""

SERVICE = """\
apiVersion: serving.kserve.io/v1alpha2
kind: LLMInferenceService
metadata: {name: wide}
spec:
  model:
    uri: hf://deepseek-ai/DeepSeek-V3:main
    name: deep
  replicas: 2
  parallelism: {tensor: 1, data: 16, dataLocal: 8, expert: true}
  template:
    containers:
      - name: main
        image: vllm/vllm-openai:v0.11.0
        args: [--seed=1]
        env:
          - name: VLLM_ADDITIONAL_ARGS
            value: >-
              --max-model-len 4096
              --kv-transfer-config '{"kv_role":"kv_both"}'
        resources: {limits: {nvidia.com/gpu: "8"}}
  worker:
    containers:
      - name: main
        env:
          - {name: VLLM_ADDITIONAL_ARGS, value: --enforce-eager}
  prefill:
    parallelism: {tensor: 4}
    template:
      containers:
        - name: main
          env:
            - name: VLLM_ADDITIONAL_ARGS
              valueFrom: {configMapKeyRef: {name: a, key: b}}
"""


def read(text: str) -> Document:
    source = Source(text, "service.yaml")
    assert kserve.recognises(source)
    return kserve.read_document(source)


def one(text: str) -> Server:
    (server,) = read(text).servers
    return server


def model(body: str) -> str:
    """An InferenceService whose ``predictor`` is this, in flow style."""
    return f"apiVersion: serving.kserve.io/v1beta1\nkind: InferenceService\nspec: {{predictor: {{{body}}}}}\n"


def llm(body: str, kind: str = "LLMInferenceService") -> str:
    return f"apiVersion: serving.kserve.io/v1alpha1\nkind: {kind}\nmetadata: {{name: s}}\nspec: {{{body}}}\n"


def texts(server: Server) -> list[str]:
    """The words but the last, which stands for what the platform adds."""
    *words, rest = server.words
    assert rest.open
    return [shown(word.text) for word in words]


def value(fact: Fact[Any] | None) -> object:
    return None if fact is None else fact.value


def test_an_inference_service() -> None:
    server = one(INFERENCE)
    around = server.surroundings
    assert (server.name, server.entry) == ("InferenceService chat", "api_server")
    assert texts(server) == ["--model", "Qwen/Qwen3-8B", "--max-model-len=8192", "--tensor-parallel-size", "2"]
    source = Source(INFERENCE, "service.yaml")
    assert server.words[1].span
    assert (server.words[1].plain, source.slice(server.words[1].span)) == (True, "Qwen/Qwen3-8B")
    assert (value(around.gpus), value(around.gpu_name), value(around.replicas)) == (2, "NVIDIA-L40S", 2)
    assert (value(around.memory_limit), around.complete) == (32 << 30, False)
    assert [variable.name for variable in server.variables] == ["HF_TOKEN"]


@pytest.mark.parametrize(
    ("predictor", "expected"),
    [
        ("model: {modelFormat: {name: vLLM}, args: [--port=1]}", ["--port=1"]),
        ("model: {modelFormat: {name: x}, runtime: my-vllm, args: [--port=1]}", ["--port=1"]),
        ("model: {modelFormat: {name: x}, args: [--max-model-len=1]}", ["--max-model-len=1"]),
        ("huggingface: {storageUri: 'hf://a/b'}", ["--model", "a/b"]),
        ("model: {modelFormat: {name: vllm}, storageUri: 'pvc://claim/x'}", ["--model", "pvc://claim/x"]),
        ("model: {modelFormat: {name: vllm}, storageUri: 'hf://${ORG}/b'}", ["--model", "hf://${ORG}/b"]),
        ("model: {modelFormat: {name: huggingface}, args: [--model_id=a/b, --seed=1]}", ["--model", "a/b", "--seed=1"]),
        ("model: {modelFormat: {name: huggingface}, args: [--model_id, a/b]}", ["--model", "a/b"]),
        ("model: {modelFormat: {name: vllm}, storageUri: 'hf://a/b', args: [--model=/mnt]}", ["--model=/mnt"]),
        (
            "model: {modelFormat: {name: vllm}}, workerSpec: {tensorParallelSize: 8, pipelineParallelSize: 2}",
            ["--tensor-parallel-size", "8", "--pipeline-parallel-size", "2"],
        ),
        (
            "containers: [{name: kserve-container, image: vllm/vllm-openai, args: [--model, m]}]",
            ["--model", "m"],
        ),
    ],
)  # fmt: skip
def test_predictors(predictor: str, expected: list[str]) -> None:
    assert texts(one(model(predictor))) == expected


@pytest.mark.parametrize("predictor", ["model: {modelFormat: {name: sklearn}}", "triton: {}", "model: vllm", "a: vllm"])
def test_predictors_of_others(predictor: str) -> None:
    assert read(model(predictor)).servers == ()


def test_the_model_of_a_claim_is_not_known() -> None:
    server = one(model("model: {modelFormat: {name: vllm}, storageUri: 'pvc://claim/x'}"))
    assert "\ue000" in server.words[1].text


def test_an_llm_inference_service() -> None:
    main, worker, prefill = read(SERVICE).servers
    assert [server.name for server in (main, worker, prefill)] == [
        "LLMInferenceService wide, container main",
        "LLMInferenceService wide worker, container main",
        "LLMInferenceService wide prefill, container main",
    ]
    common = ["deepseek-ai/DeepSeek-V3", "--served-model-name", "deep", "--data-parallel-size", "16"]
    common += ["--data-parallel-size-local", "8", "--enable-expert-parallel"]
    added = ["--max-model-len", "4096", "--kv-transfer-config", '{"kv_role":"kv_both"}', "--seed=1"]
    assert texts(main) == common + added
    assert texts(worker) == [*common, "--enforce-eager"]
    assert texts(prefill) == [*common[:3], "--tensor-parallel-size", "4", "VLLM_ADDITIONAL_ARGS"]
    assert [server.entry for server in (main, worker, prefill)] == ["serve"] * 3
    around = main.surroundings
    assert (value(around.gpus), value(around.nodes), value(around.replicas), around.complete) == (8, 2, 2, False)
    source = Source(SERVICE, "service.yaml")
    words = {word.text: word for word in main.words if word.span}
    places = {text: source.slice(word.span) for text, word in words.items() if word.span}
    assert (places["4096"], places["16"], places["deep"]) == ("4096", "16", "deep")
    assert places["--data-parallel-size"] == "data"
    assert places['{"kv_role":"kv_both"}'] == """'{"kv_role":"kv_both"}'"""


def test_a_command_of_its_own() -> None:
    container = (
        "{name: main, command: [/bin/sh, -c], args: ['vllm serve /mnt/models --port 8000 $VLLM_ADDITIONAL_ARGS'], "
    )
    container += "env: [{name: VLLM_ADDITIONAL_ARGS, value: --seed 1}]}"
    server = one(llm(f"template: {{containers: [{container}]}}", "LLMInferenceServiceConfig"))
    assert (server.entry, texts(server)) == ("serve", ["/mnt/models", "--port", "8000", "--seed", "1"])


def test_what_the_templates_of_kserve_read() -> None:
    assert {"VLLM_ADDITIONAL_ARGS", "VLLM_API_SERVER_COUNT"} <= read(SERVICE).uses


@pytest.mark.parametrize(
    ("text", "count"),
    [
        (llm("model: {uri: 'hf://a/b'}"), 1),
        (llm("template: {containers: [{name: main, resources: {}}]}", "LLMInferenceServiceConfig"), 0),
        (llm("template: {containers: [{name: main, args: [--seed=1]}]}", "LLMInferenceServiceConfig"), 1),
        (llm("model: {uri: 'hf://a/b'}, worker: {containers: [{name: main}]}"), 1),
        (llm("model: vllm, template: vllm, parallelism: vllm, worker: [], prefill: vllm"), 0),
        (llm("model: {uri: [a]}, template: {containers: [1, {env: {}}]}, parallelism: {data: x, dataLocal: 0}"), 0),
    ],
)
def test_how_many_servers(text: str, count: int) -> None:
    assert len(read(text).servers) == count


@pytest.mark.parametrize(
    ("parallelism", "nodes"),
    [("data: 16, dataLocal: 8", 2), ("pipeline: 4", 4), ("data: '${D}', dataLocal: 8", UNKNOWN), ("tensor: 8", None)],
)
def test_nodes(parallelism: str, nodes: object) -> None:
    text = llm(f"model: {{uri: 'hf://a/b'}}, parallelism: {{{parallelism}}}, worker: {{containers: []}}")
    assert value(read(text).servers[0].surroundings.nodes) == nodes


RUNTIME = """\
apiVersion: serving.kserve.io/v1alpha1
kind: ServingRuntime
metadata: {name: vllm}
spec:
  supportedModelFormats: [{name: vLLM}]
  containers:
    - name: kserve-container
      image: registry.example/vllm:1
      command: [python, -m, vllm.entrypoints.openai.api_server]
      args: [--port=8080, '--served-model-name={{.Name}}', --model=/mnt/models]
"""


def test_a_serving_runtime() -> None:
    server = one(RUNTIME)
    assert (server.name, server.entry) == ("ServingRuntime vllm, container kserve-container", "api_server")
    assert texts(server)[::2] == ["--port=8080", "--model=/mnt/models"]
    assert server.surroundings.complete is False


def test_other_manifests_of_the_file_are_read_too() -> None:
    pod = (
        "---\napiVersion: v1\nkind: Pod\nspec: {containers: [{name: c, image: vllm/vllm-openai, args: [--model, m]}]}\n"
    )
    assert [server.name for server in read(INFERENCE + pod).servers] == ["InferenceService chat", "Pod, container c"]


@pytest.mark.parametrize("text", ["apiVersion: v1\nkind: Pod\n", "# serving.kserve.io/v1\nmodel: m\n"])
def test_what_is_not_of_kserve(text: str) -> None:
    assert not kserve.recognises(Source(text, "x.yaml"))


@given(
    st.integers(0, len(SERVICE)), st.integers(0, 60), st.sampled_from(["", "\t", "{", "- ", ": ", "\x01", "{{ a }}"])
)
def test_damaged_files_are_read_or_refused(start: int, length: int, instead: str) -> None:
    text = SERVICE[:start] + instead + SERVICE[start + length :]
    source = Source(text, "service.yaml")
    try:
        document = kserve.read_document(source)
    except ReadError:
        return
    for server in document.servers:
        for word in server.words:
            if word.plain:
                assert word.span
                assert source.slice(word.span) == word.text or word.added
                assert word.text in source.slice(word.span)
