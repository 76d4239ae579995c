from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from llmtune.readers import ReadError, read, read_document
from llmtune.readers.kinds.command import read_argv
from llmtune.readers.server import read_server

if TYPE_CHECKING:
    from pathlib import Path

    from llmtune.readers import Reading
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


def of(line: str, engine: EngineVersion, directory: Path | None = None) -> Reading:
    """The line read as a shell text."""
    return read(line, engine, file="<command>", directory=directory, kind="shell")


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
    settings = read(SCRIPT, engine, file="run.sh").deployment.settings
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
        ("docker run ubuntu bash", "no-server-command"),
        ("docker run vllm/vllm-openai vllm serve m", "entrypoint-repeated"),
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
        ("vllm serve m --model n", "model-given-twice"),
        ("python -m vllm.entrypoints.openai.api_server m", "extra-argument"),
    ],
)
def test_refused(line: str, name: str, engine: EngineVersion) -> None:
    with pytest.raises(ReadError) as caught:
        of(line, engine)
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
    reading = of(line, engine)
    assert sorted(notice.name for notice in reading.warnings) == names
    assert reading.deployment.settings == ()


def test_config_file_comes_before_the_command_line(tmp_path: Path, engine: EngineVersion) -> None:
    (tmp_path / "c.yaml").write_text("model: other\nport: 1\nseed: 3\nspeculative-config: {a: 1}\n")
    line = "vllm serve m --port 2 --config c.yaml --speculative-config.b 2"
    reading = of(line, engine, tmp_path)
    deployment = reading.deployment
    assert deployment.model == "m"
    assert (deployment.value("port"), deployment.value("seed")) == (2, 3)
    assert deployment.value("speculative-config") == {"b": 2}  # no deep merge
    assert {notice.name for notice in reading.warnings} == {"model-given-twice"}  # saying port again is meant
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
    document = read_document("docker run -e A=1 vllm/vllm-openai:v0.9.0 --model m --port 1\n", "run.sh")
    assert document is not None
    (server,) = document.servers
    deployment = read_server(server, engine).deployment
    assert (deployment.model, deployment.value("port"), deployment.environment) == ("m", 1, {"A": "1"})


def test_argument_lists_of_programs_that_run_others(engine: EngineVersion) -> None:
    argv = ["docker", "run", "--gpus", "2", "-eA=1", "vllm/vllm-openai:v0.9.0", "--model", "m", "--port", "1"]
    deployment = read_argv(argv, engine).deployment
    assert (deployment.model, deployment.value("port"), deployment.environment) == ("m", 1, {"A": "1"})
    assert read_argv(["bash", "-c", "vllm serve 'a;b' --port $((1))"], engine).deployment.model == "a;b"
    assert read_argv(["vllm", "serve", "$X", "--api-key", "a;b|c"], engine).deployment.value("api-key") == ["a;b|c"]


def test_a_plain_mapping_is_a_config_file(engine: EngineVersion) -> None:
    assert read("port: 1\nseed: 2\n", engine).deployment.value("seed") == 2
    with pytest.raises(ReadError) as caught:
        read("no command, no mapping", engine)
    assert caught.value.name == "unknown-kind-of-file"


def test_no_argument_list(engine: EngineVersion) -> None:
    with pytest.raises(ReadError, match="no 'vllm serve' command"):
        read_argv(["ls"], engine)
