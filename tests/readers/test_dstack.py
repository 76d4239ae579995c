from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from llmtune.readers import read_document
from llmtune.readers.kinds import dstack
from llmtune.readers.server import read_server
from llmtune.readers.source import Source
from llmtune.spec.surroundings import UNKNOWN
from llmtune.spec.word import is_unknown

if TYPE_CHECKING:
    from llmtune.spec.engine import EngineVersion
    from llmtune.spec.server import Document
    from llmtune.spec.span import Span
    from llmtune.spec.surroundings import Surroundings

SERVICE = """\
type: service
name: chat
image: vllm/vllm-openai:v0.11.0
env:
  - HF_TOKEN
  - MODEL=org/chat-7b
  - LENGTH=4096
commands:
  - export SEED=7
  - |
    vllm serve $MODEL \\
      --tensor-parallel-size $DSTACK_GPUS_NUM \\
      --seed $SEED
  - echo done
  - python -m vllm.entrypoints.openai.api_server
      --model org/second
      --max-model-len ${LENGTH}
port: 8000
volumes:
  - instance_path: /cache
    path: /root/.cache
  - models:/models
resources:
  gpu: L40S:48GB:2
  shm_size: 16GB
replicas: 2
"""


def document(text: str) -> Document:
    found = read_document(text, "service.dstack.yml")
    assert found is not None
    assert found.kind == "dstack"
    return found


def cut(text: str, span: Span | None) -> str:
    assert span is not None
    return Source(text, "service.dstack.yml").slice(span)


def test_deployments(engine: EngineVersion) -> None:
    first, second = document(SERVICE).servers
    assert (first.name, first.entry, second.entry) == ("chat", "serve", "api_server")
    deployment = read_server(first, engine).deployment
    assert deployment.model == "org/chat-7b"
    assert deployment.value("tensor-parallel-size") == 2
    assert deployment.value("seed") == 7  # the commands are one script
    other = read_server(second, engine).deployment
    assert (other.model, other.value("max-model-len")) == ("org/second", 4096)


def test_places() -> None:
    first, second = document(SERVICE).servers
    places = {
        word.text: (cut(SERVICE, word.span), word.span.line, word.span.column)
        for server in (first, second)
        for word in server.words
        if word.span and word.text.startswith("--")
    }
    assert places == {
        "--tensor-parallel-size": ("--tensor-parallel-size", 12, 7),
        "--seed": ("--seed", 13, 7),
        "--model": ("--model", 16, 7),
        "--max-model-len": ("--max-model-len", 17, 7),
    }


def test_surroundings() -> None:
    around = document(SERVICE).servers[0].surroundings
    facts = {name: getattr(around, name) for name in ("image", "gpus", "gpu_name", "shared_memory", "replicas")}
    assert {name: (fact.value, cut(SERVICE, fact.span)) for name, fact in facts.items()} == {
        "image": ("vllm/vllm-openai:v0.11.0", "vllm/vllm-openai:v0.11.0"),
        "gpus": (2, "L40S:48GB:2"),
        "gpu_name": ("L40S 48GB", "L40S:48GB:2"),
        "shared_memory": ("16GB", "16GB"),
        "replicas": (2, "2"),
    }
    assert [(port.number, port.role) for port in around.ports] == [(8000, "service")]
    assert [(mount.path, mount.kind) for mount in around.mounts] == [
        ("/root/.cache", "host-path"),
        ("/models", "claim"),
    ]
    assert (around.platform, around.complete) == ("dstack", False)


def test_variables() -> None:
    found = {variable.name: variable for variable in document(SERVICE).servers[0].variables}
    assert is_unknown(found["HF_TOKEN"].value)
    assert (found["MODEL"].value, cut(SERVICE, found["MODEL"].word.span)) == ("org/chat-7b", "MODEL=org/chat-7b")
    assert cut(SERVICE, found["MODEL"].word.extent) == "  - MODEL=org/chat-7b\n"


def around_of(gpu: str) -> Surroundings:
    text = f"type: task\ncommands: [vllm serve org/m]\nresources:\n  gpu: {gpu}\n"
    return document(text).servers[0].surroundings


@pytest.mark.parametrize(
    ("gpu", "name", "count"),
    [
        ("24GB", None, 1),
        ("H100", "H100", 1),
        ("H100:8", "H100", 8),
        ("A100:40GB:4", "A100 40GB", 4),
        ("'nvidia:24GB..48GB:2'", None, 2),
        ("'A100,H100:2'", UNKNOWN, 2),
        ("A100:40GB..", "A100", 1),
        ("L4:1..4", "L4", UNKNOWN),
        ("L4:2..2", "L4", 2),
        ("2", None, 2),
        ("{name: A100, memory: 80GB, count: 2}", "A100 80GB", 2),
        ("{name: [A100, H100], count: 1..2}", UNKNOWN, UNKNOWN),
        ("{name: L4, count: {min: 2, max: 2}, memory: {min: 16GB}}", "L4", 2),
        ("{memory: 24GB}", None, 1),
        ("'${{ env.GPU }}'", UNKNOWN, UNKNOWN),
    ],
)
def test_gpus(gpu: str, name: object, count: object) -> None:
    around = around_of(gpu)
    assert (around.gpu_name.value if around.gpu_name else None) == name
    assert around.gpus is not None
    assert around.gpus.value == count


def test_gpus_of_all_nodes(engine: EngineVersion) -> None:
    text = """\
type: task
nodes: 2
commands:
- vllm serve org/m --tensor-parallel-size $DSTACK_GPUS_PER_NODE --nnodes $DSTACK_NODES_NUM --seed $DSTACK_GPUS_NUM
resources: {gpu: 'H100:8'}
"""
    values = {item.flag: item.value for item in read_server(document(text).servers[0], engine).deployment.settings}
    assert values == {"tensor-parallel-size": 8, "nnodes": 2, "seed": 16}


def test_groups_of_replicas() -> None:
    text = """\
type: service
name: split
image: vllm/vllm-openai:v0.19.0
replicas:
- count: 1
  commands: [smg launch]
- count: 2
  commands: ["vllm serve org/prefill --port 8001"]
  resources: {gpu: 'H100:2'}
port: 8000
"""
    (server,) = document(text).servers
    assert server.surroundings.gpus is not None
    assert (server.words[0].text, server.surroundings.gpus.value) == ("org/prefill", 2)
    assert server.words[0].span is not None
    assert cut(text, server.words[0].span) == "org/prefill"


@pytest.mark.parametrize(
    "text",
    [
        "type: service\nport: 1\n",
        "type: dev-environment\nide: vscode\n",
        "type: task\ncommands: vllm serve a\n",
        "type: task\ncommands: [1, null, {a: b}]\n",
        "type: task\ncommands: [\n{% if %}\n",
    ],
)
def test_no_server(text: str) -> None:
    assert document(text).servers == ()


def test_secret_of_the_project() -> None:
    text = "type: task\nenv:\n- API_KEY=${{ secrets.key }}\ncommands:\n- vllm serve org/m --api-key $API_KEY\n"
    (server,) = document(text).servers
    assert is_unknown(server.variables[0].value)
    assert is_unknown(server.words[-1].text)


def test_recognises() -> None:
    assert not dstack.recognises(Source("type: service\nspec: {}\n", "x.yaml"))
    assert not dstack.recognises(Source("type: fleet\nresources: {}\n", "x.yaml"))


@pytest.mark.parametrize(
    ("name", "known"),
    [
        *[(name, True) for name in ("a.yaml", "b/a.yml", "a.yaml.j2", "<text>", "-")],
        *[(name, False) for name in ("Makefile", "README.md", "a.py", "run.sh")],
    ],
)
def test_only_files_of_yaml(name: str, known: bool) -> None:  # noqa: FBT001 - a table of truth values
    assert dstack.recognises(Source(SERVICE, name)) is known
