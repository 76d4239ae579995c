from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from llmtune.spec.deployment import Deployment, Setting, Value
from llmtune.spec.engine import EngineVersion, Option
from llmtune.writers import WriteError, command, vllm_yaml
from llmtune.writers.files import write_atomically

if TYPE_CHECKING:
    from pathlib import Path

OPTIONS = (
    Option("port", "int"),
    Option("dtype", "str", choices=("auto", "bfloat16")),
    Option("enable-lora", "bool", negatable=True),
    Option("headless", "bool", flag_only=True),
    Option("gpu-memory-utilization", "float"),
    Option("chat-template", "str", optional=True),
    Option("served-model-name", "str", nargs="+", optional=True),
    Option("speculative-config", "json", json=True, optional=True),
    Option("allowed-origins", "json"),
)
ENGINE = EngineVersion("0.33.0", {option.flag: option for option in OPTIONS}, {})
DEPLOYMENT = Deployment(
    "org/model",
    (
        Setting("port", 8000),
        Setting("enable-lora", False),
        Setting("served-model-name", ["a", "b c"]),
        Setting("speculative-config", {"method": "ngram"}),
    ),
)


def test_command_line() -> None:
    deployment = replace(DEPLOYMENT, environment={"A": "x y"})
    assert command.write(deployment, ENGINE) == (
        "A='x y' vllm serve org/model --port 8000 --no-enable-lora --served-model-name a 'b c' "
        """--speculative-config '{"method": "ngram"}'\n"""
    )
    assert command.write(deployment, ENGINE, pretty=True).splitlines() == [
        "A='x y' \\",
        "  vllm serve org/model \\",
        "  --port 8000 \\",
        "  --no-enable-lora \\",
        "  --served-model-name a 'b c' \\",
        """  --speculative-config '{"method": "ngram"}'""",
    ]
    assert command.arguments(DEPLOYMENT, ENGINE)[:4] == ["org/model", "--port", "8000", "--no-enable-lora"]


def test_yaml_file() -> None:
    head, *lines = vllm_yaml.write(DEPLOYMENT, ENGINE).splitlines()
    assert head.startswith("# vllm serve --config, for vLLM 0.33.0; made by llmtune ")
    assert lines == [
        "model: org/model",
        "port: 8000",
        "no-enable-lora: true",
        "served-model-name:",
        "- a",
        "- b c",
        """speculative-config: '{"method": "ngram"}'""",
    ]
    mappings = replace(ENGINE, behaviour={"parser.config_mappings": True})
    assert vllm_yaml.write(DEPLOYMENT, mappings).endswith("speculative-config:\n  method: ngram\n")


def test_yaml_holds_the_last_of_a_flag_given_twice() -> None:
    twice = Deployment("m", (Setting("port", 1), Setting("dtype", "auto"), Setting("port", 2)))
    assert vllm_yaml.write(twice, ENGINE).splitlines()[1:] == ["model: m", "dtype: auto", "port: 2"]
    assert command.write(twice, ENGINE) == "vllm serve m --port 1 --dtype auto --port 2\n"


def test_yaml_refuses_environment_variables() -> None:
    with pytest.raises(WriteError, match=r"cannot set environment variables \(A, B\)"):
        vllm_yaml.write(replace(DEPLOYMENT, environment={"A": "1", "B": "2"}), ENGINE)


@pytest.mark.parametrize(
    ("flag", "value"),
    [
        ("unknown", 1),
        ("port", "8000"),
        ("port", True),
        ("port", 1.5),
        ("port", None),
        ("dtype", "fp16"),
        ("enable-lora", "true"),
        ("headless", False),
        ("gpu-memory-utilization", float("nan")),
        ("chat-template", "None"),
        ("chat-template", "a\0b"),
        ("served-model-name", []),
        ("served-model-name", "a"),
        ("served-model-name", ["a", "-b"]),
        ("speculative-config", "ngram"),
        ("speculative-config", {"a": float("inf")}),
        ("model", "m"),
    ],
)
def test_illegal_values_are_refused(flag: str, value: Value) -> None:
    deployment = Deployment("m", (Setting(flag, value),))
    for writer in (command, vllm_yaml):
        with pytest.raises(WriteError) as caught:
            writer.write(deployment, ENGINE)
        assert f"--{flag}" in str(caught.value)


def test_values_that_only_one_kind_can_hold() -> None:
    deployment = Deployment("m", (Setting("chat-template", "-x"),))
    assert command.write(deployment, ENGINE) == "vllm serve m --chat-template=-x\n"
    with pytest.raises(WriteError, match="starts with a dash"):
        vllm_yaml.write(deployment, ENGINE)
    lists = replace(ENGINE, behaviour={"parser.config_lists": False})
    assert "served-model-name: a" in vllm_yaml.write(Deployment("m", (Setting("served-model-name", ["a"]),)), lists)
    with pytest.raises(WriteError, match="reads no lists"):
        vllm_yaml.write(Deployment("m", (Setting("served-model-name", ["a", "b"]),)), lists)


@pytest.mark.parametrize(
    "deployment",
    [
        Deployment("-m"),
        Deployment("m", environment={"a b": "1"}),
        Deployment("m", environment={"a": "\0"}),
        Deployment("", (Setting("served-model-name", ["a"]),)),
    ],
)
def test_commands_that_cannot_be(deployment: Deployment) -> None:
    with pytest.raises(WriteError):
        command.write(deployment, ENGINE)


def test_a_secret_never_stands_in_a_message() -> None:
    with pytest.raises(WriteError) as caught:
        command.write(Deployment("m", (Setting("port", "hunter2"),)), ENGINE)
    assert "hunter2" not in str(caught.value)


def test_file_is_replaced_and_keeps_its_mode(tmp_path: Path) -> None:
    path, link = tmp_path / "a.yaml", tmp_path / "link"
    write_atomically(path, "öne\r\n")
    assert path.read_bytes() == "öne\r\n".encode()
    path.chmod(0o640)
    link.symlink_to(path.name)
    write_atomically(link, "two")
    assert link.is_symlink()
    assert (path.read_text(), path.stat().st_mode & 0o777) == ("two", 0o640)
    assert sorted(child.name for child in tmp_path.iterdir()) == ["a.yaml", "link"]


def test_new_file_obeys_the_umask(tmp_path: Path) -> None:
    old = os.umask(0o027)
    try:
        write_atomically(tmp_path / "a", "x")
    finally:
        os.umask(old)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o640


def test_file_is_untouched_when_writing_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a"
    path.write_text("old")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(WriteError, match=r"cannot write .*No space left on device"):
        write_atomically(path, "new")
    assert [child.name for child in tmp_path.iterdir()] == ["a"]
    assert path.read_text() == "old"


def test_no_such_directory_and_a_directory(tmp_path: Path) -> None:
    for path in (tmp_path / "nowhere" / "a", tmp_path):
        with pytest.raises(WriteError, match="cannot write"):
            write_atomically(path, "x")


def test_a_pipe_is_written_to_directly(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        write_atomically(pipe, "x")
        assert os.read(reader, 9) == b"x"
    finally:
        os.close(reader)
    assert pipe.is_fifo()
