from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from llmtune.readers import read_document
from llmtune.readers.kinds import skypilot
from llmtune.readers.server import read_server
from llmtune.readers.source import Source
from llmtune.spec.surroundings import UNKNOWN
from llmtune.spec.word import is_unknown

if TYPE_CHECKING:
    from llmtune.spec.engine import EngineVersion
    from llmtune.spec.server import Document
    from llmtune.spec.span import Span
    from llmtune.spec.surroundings import Surroundings

TASK = """\
name: chat
resources:
  accelerators: L40S:2
  image_id: docker:vllm/vllm-openai:v0.10.2
  ports: 8081
num_nodes: 2
envs:
  MODEL: org/chat-7b  # the id
  LENGTH: 4096
  HF_TOKEN:
secrets:
  API_KEY: null
file_mounts:
  /models: s3://bucket/models
setup: |
  pip install vllm==0.10.1 --quiet
run: |
  echo starting
  vllm serve $MODEL \\
    --tensor-parallel-size $SKYPILOT_NUM_GPUS_PER_NODE \\
    --pipeline-parallel-size $SKYPILOT_NUM_NODES \\
    --max-model-len ${LENGTH} --port 8081 \\
    --seed $SEED
service:
  replicas: 3
  readiness_probe:
    path: /v1/models
    initial_delay_seconds: 900
"""


def document(text: str) -> Document:
    found = read_document(text, "task.sky.yaml")
    assert found is not None
    assert found.kind == "skypilot"
    return found


def cut(text: str, span: Span | None) -> str:
    assert span is not None
    return Source(text, "task.sky.yaml").slice(span)


def test_deployment(engine: EngineVersion) -> None:
    (server,) = document(TASK).servers
    assert (server.name, server.entry) == ("chat", "serve")
    reading = read_server(server, engine)
    assert reading.deployment.model == "org/chat-7b"
    values = {item.flag: (item.value, item.known) for item in reading.deployment.settings}
    assert values["tensor-parallel-size"] == (2, True)
    assert values["max-model-len"] == (4096, True)
    assert values["seed"] == (None, False)


def test_places() -> None:
    (server,) = document(TASK).servers
    flags = [word for word in server.words if word.text.startswith("--")]
    assert [cut(TASK, word.span) for word in flags] == [word.text for word in flags]
    places = {word.text: (word.span.line, word.span.column) for word in flags if word.span}
    assert places == {
        "--tensor-parallel-size": (20, 5),
        "--pipeline-parallel-size": (21, 5),
        "--max-model-len": (22, 5),
        "--port": (22, 31),
        "--seed": (23, 5),
    }
    port = server.words[server.words.index(next(word for word in flags if word.text == "--port")) + 1]
    edit = port.edit(0, 4, "8000")
    assert edit is not None
    assert cut(TASK, edit.span) == "8081"


def test_release_comes_from_the_set_up() -> None:
    (server,) = document(TASK).servers
    assert server.release is not None
    assert (server.release.value, cut(TASK, server.release.span)) == ("0.10.1", "vllm==0.10.1")


def test_surroundings() -> None:
    around = document(TASK).servers[0].surroundings
    facts = {name: getattr(around, name) for name in ("image", "gpus", "gpu_name", "nodes", "replicas")}
    assert {name: (fact.value, cut(TASK, fact.span)) for name, fact in facts.items()} == {
        "image": ("vllm/vllm-openai:v0.10.2", "docker:vllm/vllm-openai:v0.10.2"),
        "gpus": (2, "L40S:2"),
        "gpu_name": ("L40S", "L40S:2"),
        "nodes": (2, "2"),
        "replicas": (3, "3"),
    }
    assert [(port.number, port.role) for port in around.ports] == [(8081, "published")]
    assert [(probe.path, probe.delay) for probe in around.probes] == [("/v1/models", 900)]
    assert [mount.path for mount in around.mounts] == ["/models"]
    assert (around.platform, around.complete) == ("skypilot", False)


def test_variables() -> None:
    found = {variable.name: variable for variable in document(TASK).servers[0].variables}
    assert {name: (variable.value, variable.secret) for name, variable in found.items() if name != "SKY"} == {
        "MODEL": ("org/chat-7b", False),
        "LENGTH": ("4096", False),
        "HF_TOKEN": ("\ue000\ue001", False),
        "API_KEY": ("\ue000\ue001", True),
    }
    assert cut(TASK, found["MODEL"].word.span) == "MODEL: org/chat-7b"
    assert cut(TASK, found["MODEL"].word.extent) == "  MODEL: org/chat-7b  # the id\n"


def around_of(resources: str) -> Surroundings:
    text = f"resources: {resources}\nrun: vllm serve org/m --tensor-parallel-size $SKYPILOT_NUM_GPUS_PER_NODE\n"
    return document(text).servers[0].surroundings


@pytest.mark.parametrize(
    ("resources", "name", "gpus"),
    [
        ("{accelerators: L4}", "L4", 1),
        ("{accelerators: 'H100:8'}", "H100", 8),
        ("{accelerators: {L4: 2}}", "L4", 2),
        ("{accelerators: {L4:2}}", "L4", 2),
        ("{accelerators: {A100-80GB:8}}", "A100-80GB", 8),
        ("{accelerators: [L4:8, A10g:8]}", UNKNOWN, 8),
        ("{accelerators: {L4:1, L4:4}}", "L4", UNKNOWN),
        ("{accelerators: '{{ gpu }}:{{ n }}'}", UNKNOWN, UNKNOWN),
        ("{accelerators: '${GPU}'}", UNKNOWN, UNKNOWN),
        ("{any_of: [{accelerators: L4:2}, {accelerators: L4:2, infra: aws}]}", "L4", 2),
        ("{ordered: [{accelerators: L4:2}, {accelerators: T4:2}]}", UNKNOWN, 2),
        ("{cpus: 4}", None, None),
    ],
)
def test_accelerators(resources: str, name: object, gpus: object) -> None:
    around = around_of(resources)
    assert (around.gpu_name.value if around.gpu_name else None) == name
    assert (around.gpus.value if around.gpus else None) == gpus


def test_number_of_gpus_is_known_where_there_is_one_choice(engine: EngineVersion) -> None:
    run = "run: vllm serve org/m --tensor-parallel-size $SKYPILOT_NUM_GPUS_PER_NODE\n"
    known = {}
    for accelerators in ("{L4:4, A10:4}", "{L4:1, A10:4}"):
        (server,) = document(f"resources: {{accelerators: {accelerators}}}\n{run}").servers
        known[accelerators] = read_server(server, engine).deployment.settings[0].value
    assert known == {"{L4:4, A10:4}": 4, "{L4:1, A10:4}": None}


def test_several_tasks_and_a_container() -> None:
    text = """\
name: pipeline
---
envs: {A: b}
run: docker run --gpus all vllm/vllm-openai:v0.9.0 --model org/a
---
workdir: .
run: |
  python -m vllm.entrypoints.openai.api_server --model org/b
"""
    servers = document(text).servers
    assert [(server.entry, server.span.line) for server in servers] == [("image", 4), ("api_server", 8)]
    assert servers[0].surroundings.image is not None
    assert servers[0].surroundings.image.value == "vllm/vllm-openai:v0.9.0"


@pytest.mark.parametrize(
    "text",
    [
        "resources:\nrun:\n",
        "resources: [1]\nrun: [vllm serve a]\n",
        "envs: {A: 1}\nrun: python train.py\n",
        "service:\n  ports: {port}\nresources:\n  image_id: v{version}\n{block}\nrun: |\n  {command}\n",
        "resources:\n{% if gpu %}\n  accelerators: L4\n{% endif %}\nrun: vllm serve a\n",
    ],
)
def test_no_server(text: str) -> None:
    assert document(text).servers == ()


def test_templates_in_the_script(engine: EngineVersion) -> None:
    text = "resources: {}\nrun: |\n  vllm serve {{ model }} --port {{ port }}\n"
    reading = read_server(document(text).servers[0], engine)
    assert is_unknown(reading.deployment.model)
    assert [setting.known for setting in reading.deployment.settings] == [False]
    assert reading.problems == ()


def test_recognises() -> None:
    assert not skypilot.recognises(Source("on: push\njobs:\n  a:\n    run: vllm serve a\n", "x.yaml"))
    assert not skypilot.recognises(Source("run: vllm serve a\n", "x.yaml"))


@pytest.mark.parametrize(
    ("name", "known"),
    [
        *[(name, True) for name in ("a.yaml", "b/a.yml", "a.yaml.j2", "<text>", "-")],
        *[(name, False) for name in ("Makefile", "README.md", "a.py", "run.sh")],
    ],
)
def test_only_files_of_yaml(name: str, known: bool) -> None:  # noqa: FBT001 - a table of truth values
    assert skypilot.recognises(Source(TASK, name)) is known
