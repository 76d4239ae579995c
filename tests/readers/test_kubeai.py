from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from llmtune.readers import read_document
from llmtune.readers.kinds import kubeai
from llmtune.readers.server import read_server
from llmtune.readers.source import Source
from llmtune.spec.surroundings import UNKNOWN
from llmtune.spec.word import is_unknown

if TYPE_CHECKING:
    from llmtune.spec.engine import EngineVersion
    from llmtune.spec.server import Document
    from llmtune.spec.span import Span

MODEL = """\
apiVersion: kubeai.org/v1
kind: Model
metadata:
  name: chat
spec:
  features: [TextGeneration]
  engine: VLLM
  url: "hf://org/chat-7b?pull=false"
  image: vllm/vllm-openai:v0.10.2
  resourceProfile: nvidia-gpu-l4:2
  cacheProfile: shared
  minReplicas: 1
  args:
    - --max-model-len=4096
    - --tensor-parallel-size
    - "2"   # both
    - --enable-prefix-caching
  env:
    VLLM_ATTENTION_BACKEND: FLASHINFER
    NOTE: 'x'
  adapters:
    - name: tone
      url: hf://org/tone
"""


def document(text: str) -> Document:
    found = read_document(text, "model.yaml")
    assert found is not None
    assert found.kind == "kubeai"
    return found


def cut(text: str, span: Span | None) -> str:
    assert span is not None
    return Source(text, "model.yaml").slice(span)


def test_words_and_places() -> None:
    (server,) = document(MODEL).servers
    assert (server.name, server.entry, cut(MODEL, server.span)) == ("chat", "api_server", "chat")
    assert [(word.text, cut(MODEL, word.span)) for word in server.words] == [
        ("--model", "url"),
        ("org/chat-7b", "org/chat-7b"),
        ("--served-model-name", "chat"),
        ("chat", "chat"),
        ("--max-model-len=4096", "--max-model-len=4096"),
        ("--tensor-parallel-size", "--tensor-parallel-size"),
        ("2", '"2"'),
        ("--enable-prefix-caching", "--enable-prefix-caching"),
        ("--enable-lora", "adapters"),
    ]
    model = server.words[1].span
    assert model is not None
    assert (model.line, model.column, model.end_column) == (8, 14, 25)
    extent = server.words[7].extent
    assert extent is not None
    assert cut(MODEL, extent) == "    - --enable-prefix-caching\n"


def test_surroundings() -> None:
    around = document(MODEL).servers[0].surroundings
    assert around.gpus is not None
    assert around.gpu_name is not None
    assert around.image is not None
    assert (around.gpus.value, around.gpu_name.value) == (2, "nvidia-gpu-l4")
    assert cut(MODEL, around.gpus.span) == "nvidia-gpu-l4:2"
    assert around.image.value == "vllm/vllm-openai:v0.10.2"
    assert [mount.kind for mount in around.mounts] == ["claim"]
    assert (around.platform, around.complete) == ("kubernetes", False)


def test_variables() -> None:
    found = {variable.name: variable for variable in document(MODEL).servers[0].variables}
    assert list(found) == ["VLLM_ATTENTION_BACKEND", "NOTE", "VLLM_ALLOW_RUNTIME_LORA_UPDATING"]
    assert cut(MODEL, found["VLLM_ATTENTION_BACKEND"].word.span) == "VLLM_ATTENTION_BACKEND: FLASHINFER"
    assert cut(MODEL, found["NOTE"].word.extent) == "    NOTE: 'x'\n"


def test_deployment(engine: EngineVersion) -> None:
    deployment = read_server(document(MODEL.replace("--enable-lora", "")).servers[0], engine).deployment
    assert deployment.model == "org/chat-7b"
    assert deployment.value("max-model-len") == 4096
    assert deployment.value("tensor-parallel-size") == 2
    assert deployment.value("served-model-name") == ["chat"]


@pytest.mark.parametrize(
    ("url", "model"),
    [
        ("hf://org/m", "org/m"),
        ("s3://bucket/m", "s3://bucket/m"),
        ("pvc://claim/m", None),
        ("gs://bucket/m", None),
        ("hf://{{ .model }}", None),
        ("hf://${MODEL}", None),
        ("", None),
    ],
)
def test_model(url: str, model: str | None) -> None:
    text = f"apiVersion: kubeai.org/v1\nkind: Model\nspec:\n  engine: VLLM\n  url: {url}\n"
    (server,) = document(text).servers
    found = server.words[1].text
    assert is_unknown(found) if model is None else found == model
    assert ("--load-format=runai_streamer" in [word.text for word in server.words]) is url.startswith("s3")


@pytest.mark.parametrize(
    ("profile", "gpus", "name"),
    [
        ("nvidia-gpu-h100:8", 8, "nvidia-gpu-h100"),
        ("cpu:6", None, "cpu"),
        ("google-tpu-v5e-2x2:4", None, "google-tpu-v5e-2x2"),
        ("${PROFILE}:2", UNKNOWN, UNKNOWN),
        ("nvidia-gpu-l4", UNKNOWN, UNKNOWN),
    ],
)
def test_resource_profile(profile: str, gpus: object, name: object) -> None:
    text = f"apiVersion: kubeai.org/v1\nkind: Model\nspec:\n  engine: VLLM\n  resourceProfile: '{profile}'\n"
    around = document(text).servers[0].surroundings
    assert around.gpu_name is not None
    assert around.gpu_name.value == name
    assert (around.gpus.value if around.gpus else None) == gpus


def test_a_name_of_its_own_and_an_expanded_variable() -> None:
    text = """\
apiVersion: kubeai.org/v1
kind: Model
metadata: {name: a}
spec:
  engine: VLLM
  url: hf://org/m
  env: {LENGTH: "4096"}
  args: [--served_model_name=b, --max-model-len=$(LENGTH), --seed=$(SEED), --port=$$5]
"""
    texts = [word.text for word in document(text).servers[0].words]
    assert texts[:4] == ["--model", "org/m", "--served_model_name=b", "--max-model-len=4096"]
    assert is_unknown(texts[4])
    assert texts[5] == "--port=$5"


def test_several_resources_and_other_engines() -> None:
    text = f"""{MODEL}---
apiVersion: kubeai.org/v1
kind: Model
metadata: {{name: small}}
spec: {{engine: OLlama, url: "ollama://gemma2:2b"}}
---
apiVersion: v1
kind: ConfigMap
---
apiVersion: v1
kind: List
items:
- apiVersion: kubeai.org/v1
  kind: Model
  metadata: {{name: second}}
  spec: {{engine: VLLM, url: "hf://org/second"}}
"""
    assert [server.name for server in document(text).servers] == ["chat", "second"]


def test_catalog_of_the_chart() -> None:
    text = """\
catalog:
  first:
    enabled: true
    engine: VLLM
    url: hf://org/first
    resourceProfile: nvidia-gpu-a100-80gb:4
  second:
    engine: OLlama
    url: ollama://x
  third: {engine: VLLM, url: "hf://org/third", args: [--seed=1]}
"""
    servers = document(text).servers
    assert [(server.name, server.words[1].text) for server in servers] == [
        ("first", "org/first"),
        ("third", "org/third"),
    ]
    assert [(server.span.line, server.span.column) for server in servers] == [(2, 3), (10, 3)]


@pytest.mark.parametrize(
    "text",
    [
        "apiVersion: kubeai.org/v1\nkind: Model\n",
        "apiVersion: kubeai.org/v1\nkind: Model\nspec: [1]\n",
        "apiVersion: kubeai.org/v1\nitems: {a: b}\n",
        "{{- range .models }}\napiVersion: kubeai.org/v1\nkind: [\n",
    ],
)
def test_no_server(text: str) -> None:
    assert document(text).servers == ()


def test_odd_shapes_are_read() -> None:
    text = "apiVersion: kubeai.org/v1\nkind: Model\nspec: {engine: VLLM, args: 3, env: [a], url: [b], adapters: {}}\n"
    (server,) = document(text).servers
    assert is_unknown(server.words[1].text)


def test_recognises() -> None:
    assert not kubeai.recognises(Source("apiVersion: v1\nkind: Model\n", "x.yaml"))
    assert not kubeai.recognises(Source("catalog:\n  a: {engine: other}\n", "x.yaml"))


@pytest.mark.parametrize(
    ("name", "known"),
    [
        *[(name, True) for name in ("a.yaml", "b/a.yml", "a.yaml.j2", "<text>", "-")],
        *[(name, False) for name in ("Makefile", "README.md", "a.py", "run.sh")],
    ],
)
def test_only_files_of_yaml(name: str, known: bool) -> None:  # noqa: FBT001 - a table of truth values
    assert kubeai.recognises(Source(MODEL, name)) is known
