from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmtune.readers import ReadError, command, read, shell
from llmtune.readers.arguments import Token
from llmtune.readers.command import Invocation, read_arguments, read_argv

if TYPE_CHECKING:
    from pathlib import Path

    from llmtune.spec.engine import EngineVersion

SCRIPT = """#!/bin/bash
set -e
export HF_HOME="/data/hf cache"  # shared
PORT=8000
CUDA_VISIBLE_DEVICES=0,1 exec vllm serve 'org/model' \\
    --port 9000 \\
    -tp=2 --served-model-name a\\ b c > log.txt 2>&1 &
wait
"""


def test_script(engine: EngineVersion) -> None:
    reading = read(SCRIPT, engine)
    deployment = reading.deployment
    assert deployment.model == "org/model"
    assert deployment.environment == {"HF_HOME": "/data/hf cache", "CUDA_VISIBLE_DEVICES": "0,1"}
    assert [(setting.flag, setting.value) for setting in deployment.settings] == [
        ("port", 9000),
        ("tensor-parallel-size", 2),
        ("served-model-name", ["a b", "c"]),
    ]
    assert deployment.engine_version == "0.33.0"
    assert reading.warnings == ()


def test_spans_cover_flag_and_value(engine: EngineVersion) -> None:
    settings = command.read(SCRIPT, engine, file="run.sh").deployment.settings
    lines = SCRIPT.splitlines()
    found = []
    for setting in settings:
        span = setting.span
        assert span is not None
        assert (span.file, span.line) == ("run.sh", span.end_line)
        found.append(lines[span.line - 1][span.column - 1 : span.end_column - 1])
    assert found == ["--port 9000", "-tp=2", "--served-model-name a\\ b c"]


@pytest.mark.parametrize(
    "line",
    [
        "vllm serve m --port 1",
        "/usr/bin/vllm serve m --port=1",
        "$ vllm serve m --port 1",
        "nohup env A=1 vllm serve m --port 1 &",
        "cd /x && vllm serve m --port 1",
        "python3 -m vllm.entrypoints.openai.api_server --model m --port 1",
        "python -m vllm.entrypoints.cli.main serve m --port 1",
        "vllm serve --port 1 m",
        "vllm serve --port 1 --model m",
        "vllm serve --model=m --port 1",
    ],
)
def test_ways_to_start(line: str, engine: EngineVersion) -> None:
    deployment = read(line, engine).deployment
    assert deployment.model == "m"
    assert [(setting.flag, setting.value) for setting in deployment.settings] == [("port", 1)]


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("ls -l", "no-server-command"),
        ("docker run vllm/vllm-openai vllm serve m", "no-server-command"),
        ("vllm serve a; vllm serve b", "several-servers"),
        ("python -m vllm.entrypoints.api_server --model m", "demo-server-module"),
        ("vllm serve m \\ \n --port 1", "broken-continuation"),
        ("vllm serve m\n --port 1", "broken-continuation"),
        ("vllm serve m \\\n # comment \\\n --port 1", "broken-continuation"),
        ("vllm serve 'm", "open-quote"),
        ("vllm serve m\\", "open-quote"),
        ("vllm serve --served-model-name a m", "served-name-before-model"),
        ("vllm serve m --config a.yaml --config b.yaml", "config-file-shape"),
        ("vllm serve m --config a.json", "config-file-shape"),
        ("vllm serve m --config", "missing-value"),
        ("vllm serve m --config nowhere.yaml", "unreadable-file"),
        ("vllm serve --model", "missing-value"),
        ("vllm serve m n", "extra-argument"),
        ("vllm serve m --model n", "extra-argument"),
        ("python -m vllm.entrypoints.openai.api_server m", "extra-argument"),
    ],
)
def test_refused(line: str, name: str, engine: EngineVersion) -> None:
    with pytest.raises(ReadError) as caught:
        command.read(line, engine)
    assert caught.value.name == name


@pytest.mark.parametrize(
    ("line", "names"),
    [
        ("vllm serve", ["no-model"]),
        ("vllm serve --model m", ["serve-model-flag"]),
        ("vllm serve m --config=x.yaml", ["config-equals-ignored"]),
        ("vllm serve m --conf x.yaml", ["abbreviated-flag", "config-equals-ignored"]),
    ],
)
def test_warned(line: str, names: list[str], engine: EngineVersion) -> None:
    reading = command.read(line, engine)
    assert [notice.name for notice in reading.warnings] == names
    assert reading.deployment.settings == ()


def test_config_file_comes_before_the_command_line(tmp_path: Path, engine: EngineVersion) -> None:
    (tmp_path / "c.yaml").write_text("model: other\nport: 1\nseed: 3\nspeculative-config: {a: 1}\n")
    line = "vllm serve m --port 2 --config c.yaml --speculative-config.b 2"
    reading = command.read(line, engine, directory=tmp_path)
    deployment = reading.deployment
    assert deployment.model == "m"
    assert (deployment.value("port"), deployment.value("seed")) == (2, 3)
    assert deployment.value("speculative-config") == {"b": 2}  # no deep merge
    assert {notice.name for notice in reading.warnings} == {"model-given-twice", "duplicate-flag"}
    assert {setting.span.file for setting in deployment.settings if setting.span} == {
        "<command>",
        str(tmp_path / "c.yaml"),
    }


def test_model_of_the_config_file(tmp_path: Path, engine: EngineVersion) -> None:
    (tmp_path / "c.yaml").write_text("model: other\n")
    (tmp_path / "d.yaml").write_text("port: 1\n")
    assert read_argv(["serve", "--config", "c.yaml"], engine, directory=tmp_path).deployment.model == "other"
    with pytest.raises(ReadError) as caught:
        read_argv(["vllm", "serve", "--config", "d.yaml"], engine, directory=tmp_path)
    assert caught.value.name == "no-model"


def test_module_honours_false_in_a_config_file(tmp_path: Path, engine: EngineVersion) -> None:
    (tmp_path / "c.yaml").write_text("enforce-eager: false\n")
    argv = ["python", "-m", "vllm.entrypoints.openai.api_server", "--model", "m", "--config", "c.yaml"]
    assert read_argv(argv, engine, directory=tmp_path).deployment.value("enforce-eager") is False
    assert not read_argv(["serve", "m", "--config", "c.yaml"], engine, directory=tmp_path).deployment.settings


def test_arguments_of_a_container(engine: EngineVersion) -> None:
    invocation = Invocation("api_server", {"A": "1"})
    deployment = read_arguments([Token("--model"), Token("m")], engine, invocation).deployment
    assert (deployment.model, deployment.environment) == ("m", {"A": "1"})


def test_no_argument_list(engine: EngineVersion) -> None:
    with pytest.raises(ReadError, match="no 'vllm serve' command"):
        read_argv(["ls"], engine)


WORD = st.text("ab \t\"'\\\n#=-.é", min_size=1)


@given(st.lists(WORD))
def test_words_equal_shlex(words: list[str]) -> None:
    line = shlex.join(words)
    assert [token.text for command in shell.commands(line, "x") for token in command] == words == shlex.split(line)


@given(st.text("ab '\"\\\n#;&|<>$(){}`1=-\t\r"))
def test_any_text_is_split_or_refused(text: str) -> None:
    try:
        commands = shell.commands(text, "x")
    except ReadError:
        return
    for command_ in commands:
        for token in command_:
            assert token.span is not None
            assert (token.span.line, token.span.column) <= (token.span.end_line, token.span.end_column)


@given(st.text("ab \"'\\$ "))
def test_plain_lines_equal_shlex(text: str) -> None:
    try:
        expected = shlex.split(text.replace("\\$", "$"))
    except ValueError:
        return
    if "\\" in text or "$" in text:  # inside double quotes shlex knows two escapes, a shell five
        return
    assert [token.text for command in shell.commands(text, "x") for token in command] == expected


def test_shell_escapes_and_expansions() -> None:
    text = 'A "a\\$b\\"c\\\\d\\e" $(cat x; y) ${X:-1 2} `id -u` a\\\nb 2>&1 >out c'
    words = [token.text for command in shell.commands(text, "x") for token in command]
    assert words == ["A", 'a$b"c\\d\\e', "$(cat x; y)", "${X:-1 2}", "`id -u`", "ab", "c"]
