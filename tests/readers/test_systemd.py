"""systemd units: words without a shell, variables of the unit, and what it calls."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from llmtune.readers import read_document
from llmtune.readers.source import Source
from llmtune.spec.word import shown

if TYPE_CHECKING:
    from llmtune.spec.server import Document, Server

UNIT = """[Unit]
Description=vLLM; not [Service]

[Service]
Type=simple
Environment="HF_HOME=/data/hf cache" CUDA_VISIBLE_DEVICES=0,1
Environment=PORT=8000 'ARGS=--seed 1'
ExecStartPre=-/usr/bin/pip install vllm==0.9.0
ExecStart=/opt/vllm/bin/vllm serve org/m \\
    --port ${PORT} \\
# not this
    --served-model-name "a b" \\
    $ARGS
Restart=on-failure
TimeoutStopSec=2min 30
MemoryMax=64G

[Install]
WantedBy=multi-user.target
"""


def document(text: str, name: str = "vllm.service") -> Document:
    found = read_document(text, name)
    assert found is not None
    assert found.kind == "systemd"
    return found


def server(command: str, more: str = "") -> Server:
    (found,) = document(f"[Service]\n{more}\nExecStart={command}\n").servers
    return found


def words(command: str, more: str = "") -> list[str]:
    return [shown(word.text) + "*" * word.open for word in server(command, more).words]


def test_unit() -> None:
    (found,) = document(UNIT).servers
    assert [word.text for word in found.words] == [
        "org/m",
        "--port",
        "8000",
        "--served-model-name",
        "a b",
        "--seed",
        "1",
    ]
    assert [(item.name, item.value) for item in found.variables] == [
        ("HF_HOME", "/data/hf cache"),
        ("CUDA_VISIBLE_DEVICES", "0,1"),
        ("PORT", "8000"),
        ("ARGS", "--seed 1"),
    ]
    around = found.surroundings
    assert (around.platform, around.complete) == ("host", True)
    assert around.restart is not None
    assert around.restart.value == "on-failure"
    assert around.grace_period is not None
    assert around.grace_period.value == 150
    assert around.memory_limit is not None
    assert around.memory_limit.value == 64 << 30
    assert found.release is not None
    assert found.release.value == "0.9.0"
    assert (found.entry, found.name) == ("serve", "line 9")


def test_places() -> None:
    source = Source(UNIT, "vllm.service")
    (found,) = document(UNIT).servers
    written = ["org/m", "--port", "${PORT}", "--served-model-name", '"a b"', "$ARGS", "$ARGS"]
    assert [source.slice(word.span) for word in found.words if word.span] == written
    assert [word.plain for word in found.words] == [True, True, False, True, False, False, False]
    extents = [source.slice(word.extent) if word.extent else None for word in found.words]
    assert extents == [" org/m", " \\\n    --port", " ${PORT}", None, ' "a b"', " \\\n    $ARGS", " \\\n    $ARGS"]
    variables = [item.word for item in found.variables]
    assert [source.slice(word.span) for word in variables if word.span] == [
        '"HF_HOME=/data/hf cache"',
        "CUDA_VISIBLE_DEVICES=0,1",
        "PORT=8000",
        "'ARGS=--seed 1'",
    ]
    assert variables[1].extent is not None
    assert source.slice(variables[1].extent) == " CUDA_VISIBLE_DEVICES=0,1"


def test_a_variable_goes_with_its_line() -> None:
    text = "[Service]\nEnvironment=A=1\nExecStart=vllm serve m\n"
    (found,) = document(text).servers
    extent = found.variables[0].word.extent
    assert extent is not None
    assert Source(text, "vllm.service").slice(extent) == "Environment=A=1\n"


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("vllm serve 'a b' \"c d\" e\\x", ["a b", "c d", "e\\x"]),
        (r'vllm serve "a \"b\"" c\sd', ['a "b"', "c d"]),
        ("vllm serve m > log 2>&1 ; x & y", ["m", ">", "log", "2>&1", ";", "x", "&", "y"]),
        ("vllm serve $MODEL ${MODEL} $ARGS x$Y $$Z", ["$MODEL*", "${MODEL}", "$ARGS*", "x$Y", "$Z"]),
        ("vllm serve %i --x=%h/y 50%%", ["%i", "--x=%h/y", "50%"]),
        ("vllm serve --json '{\"a\": 1}'", ["--json", '{"a": 1}']),
        ("-@/usr/bin/vllm serve m", ["m"]),
        ("vllm serve m # no comment", ["m", "#", "no", "comment"]),
        ("vllm serve 'm", ["m"]),
        ("/usr/bin/env A=b vllm serve m", ["m"]),
    ],
)
def test_words(command: str, expected: list[str]) -> None:
    assert words(command) == expected


def test_known_variables() -> None:
    more = "Environment=M=org/m A='--x 1'\nEnvironment=\"B=--y 2\""
    assert words("vllm serve $M $A ${B}", more) == ["org/m", "--x", "1", "--y 2"]


def test_scripts_of_a_shell() -> None:
    found = server("/bin/bash -lc 'source x && exec vllm serve $M --port $P'", "Environment=M=org/m")
    assert [shown(word.text) for word in found.words] == ["org/m", "--port", "$P"]


def test_docker() -> None:
    text = "/usr/bin/docker run --rm --gpus all \\\n  vllm/vllm-openai:v0.9.0 \\\n  --model m"
    found = server(text, "Restart=always\nExecStartPre=-/usr/bin/docker rm -f x")
    assert (found.entry, [word.text for word in found.words]) == ("image", ["--model", "m"])
    assert (found.surroundings.platform, found.surroundings.all_gpus) == ("docker", True)
    assert found.surroundings.restart is not None
    assert found.surroundings.restart.value == "always"


def test_an_empty_entry_forgets_those_before() -> None:
    text = "[Service]\nExecStart=vllm serve a\nExecStart=\nExecStart=vllm serve b\nEnvironment=A=1\nEnvironment=\n"
    (found,) = document(text, "override.conf").servers
    assert ([word.text for word in found.words], found.variables) == (["b"], ())


def test_environment_files_may_say_more() -> None:
    found = server("vllm serve m", "EnvironmentFile=-/etc/vllm\nEnvironment=A=1")
    assert not found.surroundings.complete
    assert [(item.name, item.secret) for item in found.variables] == [("A", False), ("", True)]


@pytest.mark.parametrize(
    "command", ["/opt/start-vllm.sh", "/usr/bin/python3 -m sglang.launch_server --vllm", "/bin/true", ""]
)
def test_units_without_a_server(command: str) -> None:
    assert document(f"[Service]\n# vllm\nExecStart={command}\n").servers == ()


@pytest.mark.parametrize(
    "text", ["[Unit]\nExecStart=vllm serve m\n", "ExecStart=vllm serve m", "[Service]\nvllm serve m\n"]
)
def test_no_units(text: str) -> None:
    found = read_document(text, "x")
    assert found is None or found.kind != "systemd"


@pytest.mark.parametrize("value", ["9" * 400, "infinity", "", "1e9", "-1", "%t"])
def test_absurd_values(value: str) -> None:
    found = server("vllm serve m", f"MemoryMax={value}G\nTimeoutStopSec={value}\nRestart={value}")
    assert found.words[0].text == "m"
