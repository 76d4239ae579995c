"""Quadlet units: the entries of a container as the options of podman run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from llmtune.readers import ReadError, read_document
from llmtune.readers.source import Source
from llmtune.spec.surroundings import UNKNOWN
from llmtune.spec.word import shown

if TYPE_CHECKING:
    from llmtune.spec.server import Document, Server

UNIT = """\
[Unit]
Description=chat

[Container]
Image=docker.io/vllm/vllm-openai:v0.17.1
ContainerName=chat
# nothing here
PublishPort=127.0.0.1:8000:8000
Environment=HF_HOME=/data "NOTE=a b"
Environment=VLLM_LOGGING_LEVEL=INFO
EnvironmentFile=/etc/chat.env
Volume=/srv/models:/data:Z
AddDevice=nvidia.com/gpu=0
AddDevice=nvidia.com/gpu=1
AddCapability=SYS_PTRACE IPC_LOCK
Network=host
Memory=64g
Secret=hf-token,type=env,target=HF_TOKEN
Secret=certificate
PodmanArgs=--ipc=host --cpus 8
HealthCmd=curl -f http://localhost:8000/health
HealthStartPeriod=5m
Exec=--model org/chat \\
    --port ${PORT} --seed 1

[Service]
Environment=PORT=8000
Restart=always
TimeoutStopSec=2min

[Install]
WantedBy=default.target
"""


def document(text: str) -> Document:
    found = read_document(text, "chat.container")
    assert found is not None
    assert found.kind == "quadlet"
    return found


def server(text: str) -> Server:
    (found,) = document(text).servers
    return found


def cut(text: str, span: object) -> str:
    return Source(text, "chat.container").slice(span)  # type: ignore[arg-type]


def test_words_and_places() -> None:
    found = server(UNIT)
    assert (found.name, found.entry) == ("chat", "image")
    assert [(word.text, cut(UNIT, word.span)) for word in found.words] == [
        ("--model", "--model"),
        ("org/chat", "org/chat"),
        ("--port", "--port"),
        ("8000", "${PORT}"),
        ("--seed", "--seed"),
        ("1", "1"),
    ]


def test_surroundings() -> None:
    around = server(UNIT).surroundings
    assert around.platform == "quadlet"
    assert around.image is not None
    assert cut(UNIT, around.image.span) == "docker.io/vllm/vllm-openai:v0.17.1"
    assert around.gpu_ids is not None
    assert around.gpu_ids.value == ("0", "1")
    assert [(mount.path, mount.kind) for mount in around.mounts] == [("/data", "bind")]
    assert [(port.number, port.role, port.address) for port in around.ports if port.role == "published"] == [
        (8000, "published", "127.0.0.1")
    ]
    assert [fact.value for fact in around.capabilities] == ["SYS_PTRACE", "IPC_LOCK"]
    assert around.shared_memory is not None
    assert around.shared_memory.value == "host"
    assert around.memory_limit is not None
    assert around.memory_limit.value == 64 << 30
    assert around.cpu_request is not None
    assert around.cpu_request.value == 8.0
    assert around.restart is not None
    assert around.restart.value == "always"
    assert around.grace_period is not None
    assert around.grace_period.value == 120
    (probe,) = around.probes
    assert (probe.path, probe.delay) == ("/health", 300.0)


def test_variables() -> None:
    found = server(UNIT)
    assert [(item.name, shown(item.value), item.secret) for item in found.variables] == [
        ("HF_HOME", "/data", False),
        ("NOTE", "a b", False),
        ("VLLM_LOGGING_LEVEL", "INFO", False),
        ("", "", True),
        ("HF_TOKEN", "", True),
    ]
    assert cut(UNIT, found.variables[0].word.span) == "HF_HOME=/data"


def test_entry_point() -> None:
    text = "[Container]\nImage=registry/tools:1\nEntrypoint=vllm\nExec=serve org/chat\n"
    assert [word.text for word in server(text).words] == ["org/chat"]
    text = "[Container]\nImage=registry/tools:1\nExec=/bin/sh -c 'exec vllm serve org/chat'\n"
    assert [word.text for word in server(text).words] == ["org/chat"]


@pytest.mark.parametrize(
    "text",
    [
        "[Container]\nImage=docker.io/library/redis:7\nExec=--port 1\n",
        "[Container]\nExec=vllm serve m\nContainerName=Image\n",
        "[Container]\nImage=a/vllm-router:1\nExec=--port 1\n",
    ],
)
def test_no_server(text: str) -> None:
    assert document(text).servers == ()


def test_hidden_image_and_no_arguments() -> None:
    found = server("[Container]\nImage=vllm/vllm-openai:${TAG}\n")
    assert found.words == ()
    image = server("[Container]\nImage=vllm/vllm-openai:v0.9.0\nExec=$ARGS\n").words
    assert image[0].open
    assert found.surroundings.image is not None
    assert found.surroundings.image.value in {UNKNOWN, "vllm/vllm-openai:${TAG}"}


def test_long_units_are_refused() -> None:
    with pytest.raises(ReadError, match="no unit"):
        document("[Container]\nImage=a\n" + "#" * 100_001)


def test_a_script_that_writes_a_unit_is_a_script() -> None:
    found = read_document(f"#!/bin/sh\ncat > chat.container <<'EOF'\n{UNIT}EOF\n", "setup.sh")
    assert found is not None
    assert found.kind == "shell"
    assert found.servers[0].words[0].span is not None
    assert found.servers[0].words[0].span.line == UNIT[: UNIT.index("Exec=")].count("\n") + 3
