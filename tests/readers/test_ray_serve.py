from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from llmtune.readers import read_document
from llmtune.readers.kinds import ray_serve
from llmtune.readers.server import read_server
from llmtune.readers.source import Source
from llmtune.spec.surroundings import UNKNOWN
from llmtune.spec.word import is_unknown

if TYPE_CHECKING:
    from llmtune.spec.engine import EngineVersion
    from llmtune.spec.server import Document
    from llmtune.spec.span import Span

SERVE = """\
applications:
- name: llms
  import_path: ray.serve.llm:build_openai_app
  runtime_env: {env_vars: {SHARED: "1"}}
  args:
    llm_configs:
    - model_loading_config:
        model_id: chat
        model_source: org/chat-7b   # on the Hub
      accelerator_type: L40S
      runtime_env:
        env_vars:
          VLLM_USE_V1: "1"
          HF_TOKEN: abc
      engine_kwargs:
        max_model_len: 4096
        tensor_parallel_size: 2
        enforce_eager: false
        enable_prefix_caching: true
        disable_log_requests: true
        served_model_name: [x, y]
        quantization: null
      deployment_config: {num_replicas: 3}
    - ./other.yaml
    - llm_engine: SGLang
      model_loading_config: {model_id: b}
    - {model_loading_config: {model_id: org/second}}
"""

SERVICE = """\
apiVersion: ray.io/v1
kind: RayService
metadata: {name: chat}
spec:
  serveConfigV2: |
    applications:
    - name: llms
      args:
        llm_configs:
          - model_loading_config: {model_id: org/chat-7b}
            engine_kwargs:
              max_model_len: "4096"
              max_num_seq: 8

  rayClusterConfig:
    headGroupSpec:
      template: {spec: {containers: [{image: "rayproject/ray:2.50.0"}]}}
    workerGroupSpecs:
    - replicas: 2
      template:
        spec:
          nodeSelector: {cloud.google.com/gke-accelerator: nvidia-l4}
          containers:
          - image: rayproject/ray-llm:2.50.0-py311-cu128
            env:
            - {name: VLLM_LOGGING_LEVEL, value: INFO}
            resources: {limits: {nvidia.com/gpu: "8"}}
---
apiVersion: v1
kind: Secret
"""


def document(text: str) -> Document:
    found = read_document(text, "serve.yaml")
    assert found is not None
    assert found.kind == "ray-serve"
    return found


def cut(text: str, span: Span | None) -> str:
    assert span is not None
    return Source(text, "serve.yaml").slice(span)


def test_models_of_a_serve_configuration(engine: EngineVersion) -> None:
    first, second = document(SERVE).servers
    assert (first.name, first.entry, cut(SERVE, first.span)) == ("chat", "engine", "chat")
    assert [(word.text, cut(SERVE, word.span)) for word in first.words] == [
        ("--model", "model_source"),
        ("org/chat-7b", "org/chat-7b"),
        ("--distributed-executor-backend", "model_loading_config"),
        ("ray", "model_loading_config"),
    ]
    assert [word.text for word in second.words[:4]] == ["--model", "org/second", "--served-model-name", "org/second"]
    deployment = read_server(first, engine).deployment
    assert deployment.model == "org/chat-7b"
    assert {setting.flag: setting.value for setting in deployment.settings} == {
        "max-model-len": 4096,
        "tensor-parallel-size": 2,
        "enforce-eager": False,
        "enable-prefix-caching": True,
        "served-model-name": ["x", "y"],
    }


def test_places_of_engine_arguments(engine: EngineVersion) -> None:
    settings = {item.flag: item for item in read_server(document(SERVE).servers[0], engine).deployment.settings}
    assert cut(SERVE, settings["max-model-len"].span) == "max_model_len: 4096"
    assert cut(SERVE, settings["enforce-eager"].span) == "enforce_eager"
    assert cut(SERVE, settings["enforce-eager"].words[0].extent) == "        enforce_eager: false\n"
    edit = settings["max-model-len"].words[1].edit(0, 4, "2048")
    assert edit is not None
    assert cut(SERVE, edit.span) == "4096"


def test_surroundings_and_variables() -> None:
    server = document(SERVE).servers[0]
    around = server.surroundings
    assert around.gpu_name is not None
    assert around.replicas is not None
    assert (around.platform, around.gpu_name.value, around.replicas.value, around.gpus) == ("ray", "L40S", 3, None)
    found = {variable.name: variable for variable in server.variables}
    assert {name: variable.value for name, variable in found.items()} == {
        "SHARED": "1",
        "VLLM_USE_V1": "1",
        "HF_TOKEN": "abc",
    }
    assert cut(SERVE, found["VLLM_USE_V1"].word.span) == 'VLLM_USE_V1: "1"'
    assert cut(SERVE, found["HF_TOKEN"].word.extent) == "          HF_TOKEN: abc\n"


def test_service_with_yaml_in_a_text(engine: EngineVersion) -> None:
    (server,) = document(SERVICE).servers
    assert (server.span.line, server.span.column, server.span.end_column) == (10, 46, 57)
    reading = read_server(server, engine)
    setting = next(item for item in reading.deployment.settings if item.flag == "max-model-len")
    assert setting.span is not None
    assert (setting.value, setting.span.line, setting.span.column) == (4096, 12, 15)
    assert cut(SERVICE, setting.span) == 'max_model_len: "4096"'
    places = {cut(SERVICE, problem.span): problem.name for problem in reading.problems}
    assert places["max_num_seq"] == "unknown-flag"  # Python takes no abbreviation
    around = server.surroundings
    assert around.image is not None
    assert around.gpu_name is not None
    assert (around.image.value, around.gpu_name.value) == ("rayproject/ray-llm:2.50.0-py311-cu128", "nvidia-l4")
    assert [variable.name for variable in server.variables] == ["VLLM_LOGGING_LEVEL"]


def test_a_file_of_one_model() -> None:
    text = """\
model_loading_config: {model_id: org/m}
accelerator_type: A100-80G
tensor_parallelism: {degree: 4}
lora_config: {dynamic_lora_loading_path: "s3://bucket/x"}
"""
    (server,) = document(text).servers
    assert server.config is None
    words = [word.text for word in server.words]
    assert words[-2:] == ["--tensor-parallel-size", "4"]


def test_prefill_and_decode() -> None:
    text = """\
applications:
- args:
    prefill_config: {model_loading_config: {model_id: org/m}, engine_kwargs: {seed: 1}}
    decode_config: {model_loading_config: {model_id: org/m}, engine_kwargs: {seed: 2}}
  import_path: ray.serve.llm:build_pd_openai_app
"""
    assert [(server.span.line, server.name) for server in document(text).servers] == [(3, "org/m"), (4, "org/m")]


def test_weights_in_a_bucket_are_another_model() -> None:
    text = "model_loading_config: {model_id: org/m, model_source: {bucket_uri: 's3://x/y'}}\n"
    assert is_unknown(document(text).servers[0].words[1].text)


def test_holes(engine: EngineVersion) -> None:
    text = """\
model_loading_config:
  model_id: {{ .model }}
accelerator_type: {{ .gpu }}
engine_kwargs:
  max_model_len: ${LENGTH}
  enforce_eager: {{ .eager }}
  {{- toYaml .more | nindent 2 }}
  seed: 3
"""
    (server,) = document(text).servers
    assert server.surroundings.gpu_name is not None
    assert server.surroundings.gpu_name.value is UNKNOWN
    reading = read_server(server, engine)
    assert is_unknown(reading.deployment.model)
    assert reading.open_ended
    known = {setting.flag: setting.known for setting in reading.deployment.settings}
    assert (known["max-model-len"], known["seed"]) == (False, True)


@pytest.mark.parametrize(
    "text",
    [
        "kind: RayService\nspec: {serveConfigV2: 'applications: []'}\n",
        "kind: RayService\nspec: text\n",
        "applications:\n- import_path: ray.serve.llm:build_openai_app\n  args: {llm_configs: [a.yaml]}\n",
        "model_loading_config: text\n",
        "model_loading_config:\n- a\n",
        "{% for x in y %}\nmodel_loading_config: {model_id: a}\n{% endfor %}\n",
    ],
)
def test_no_server(text: str) -> None:
    assert document(text).servers == ()


def test_duplicate_keys_inside_the_text() -> None:
    text = """\
kind: RayService
spec:
  serveConfigV2: |
    model_loading_config: {model_id: a}
    engine_kwargs:
      seed: 1
      seed: 2
"""
    (notice,) = document(text).notices
    assert (notice.name, cut(text, notice.span)) == ("duplicate-yaml-key", "seed")
    assert notice.span is not None
    assert notice.span.line == 7


def test_recognises() -> None:
    assert not ray_serve.recognises(Source("kind: RayCluster\n", "x.yaml"))
    assert not ray_serve.recognises(Source("applications:\n- name: a\n", "x.yaml"))


@pytest.mark.parametrize(
    ("name", "known"),
    [
        *[(name, True) for name in ("a.yaml", "b/a.yml", "a.yaml.j2", "<text>", "-")],
        *[(name, False) for name in ("Makefile", "README.md", "a.py", "run.sh")],
    ],
)
def test_only_files_of_yaml(name: str, known: bool) -> None:  # noqa: FBT001 - a table of truth values
    assert ray_serve.recognises(Source(SERVE, name)) is known
