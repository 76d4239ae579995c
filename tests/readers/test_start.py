"""Which commands start a server, and with what."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmtune.readers import ReadError, read_document, readers
from llmtune.readers.shell import commands
from llmtune.readers.source import Source
from llmtune.readers.start import container_servers, of_items, servers_of
from llmtune.spec.surroundings import Fact, Surroundings
from llmtune.spec.word import Word, shown

if TYPE_CHECKING:
    from llmtune.spec.server import Server


def servers(text: str, name: str = "run.sh") -> list[Server]:
    document = read_document(text, name)
    return list(document.servers) if document is not None else []


def line(server: Server) -> str:
    return " ".join([server.entry, *(shown(word.text) for word in server.words)])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("vllm serve m", "serve m"),
        ("$ vllm serve m", "serve m"),
        ("/opt/venv/bin/vllm serve m", "serve m"),
        ('"$VENV/bin/vllm" serve m', "serve m"),
        ("$VLLM serve m", "serve m"),
        ("python3 -m vllm.entrypoints.openai.api_server --model m", "api_server --model m"),
        ("python -u -m vllm.entrypoints.openai.api_server --model m", "api_server --model m"),
        ("$PYTHON -m vllm.entrypoints.openai.api_server --model m", "api_server --model m"),
        ("python -m vllm.entrypoints.cli.main serve m", "serve m"),
        ("python /x/vllm/entrypoints/openai/api_server.py --model m", "api_server --model m"),
        ("accelerate launch -m vllm.entrypoints.openai.api_server --model m", "api_server --model m"),
        ("exec vllm serve m", "serve m"),
        ("nohup env A=b vllm serve m > log 2>&1 &", "serve m"),
        ("sudo -E -u me A=b /x/vllm serve m", "serve m"),
        ("time -p vllm serve m", "serve m"),
        ("numactl --cpunodebind 0 vllm serve m", "serve m"),
        ("stdbuf -oL vllm serve m | tee log", "serve m"),
        ("setsid taskset -c 0-3 vllm serve m", "serve m"),
        ("uv run --with vllm vllm serve m", "serve m"),
        ("poetry run vllm serve m", "serve m"),
        ("uvx --from vllm==0.9.0 vllm serve m", "serve m"),
        ("uvx vllm@0.9.0 serve m", "serve m"),
        ("conda run -n env --no-capture-output vllm serve m", "serve m"),
        ("srun --nodes=1 vllm serve m", "serve m"),
        ("mpirun -np 1 vllm serve m", "serve m"),
        ("ray job submit --address a -- vllm serve m", "serve m"),
        ("timeout 3600 vllm serve m", "serve m"),
        ("systemd-run --user -p MemoryMax=90% vllm serve m", "serve m"),
        ("run_with_retry vllm serve m", "serve m"),
        ("bash -c 'vllm serve m --port 1'", "serve m --port 1"),
        ("bash -lc \"cd /x && exec vllm serve 'm n'\"", "serve m n"),
        ("sh -e -o pipefail -c 'vllm serve m'", "serve m"),
        ("nohup bash -c 'source x; bash -c \"vllm serve m\"' &", "serve m"),
        ("tmux new-session -d -s x 'vllm serve m'", "serve m"),
        ("tmux send-keys -t x 'vllm serve m' C-m", "serve m"),
        ("screen -dmS x bash -c 'vllm serve m; exec sh'", "serve m"),
        ("screen -S x -X stuff 'vllm serve m\\n'", "serve m"),
        ("ssh host 'vllm serve m'", "serve m"),
        ("su - user -c 'vllm serve m'", "serve m"),
        ("kubectl exec -it pod -- vllm serve m", "serve m"),
        ("kubectl exec pod -- bash -c 'vllm serve m'", "serve m"),
        ("docker exec -it c vllm serve m", "serve m"),
        ("CMD='vllm serve m'; CMD+=' --port 1'; eval \"$CMD\"", "serve m --port 1"),
        ("CMD='vllm serve m --port 1'; $CMD", "serve m --port 1"),
        ("CMD='vllm serve m'; nohup bash -c \"$CMD\" &", "serve m"),
        ('CMD=(vllm serve m --port 1); exec "${CMD[@]}"', "serve m --port 1"),
        ("eval vllm serve m '--port 1'", "serve m --port 1"),
        ("if ! vllm serve m; then exit 1; fi", "serve m"),
        ("x=$(vllm serve m)", "serve m"),
        ("vllm serve {{ model }} --port {{port}}", "serve {{ model }} --port {{port}}"),
        ("vllm serve <MODEL> --port 1 ...", "serve <MODEL> --port 1 ..."),
        (
            "vllm serve m \\\n{{- if .x }}\n  --port 1 \\\n{{- end }}\n  --seed 2",
            "serve m {{- if .x }} --port 1 {{- end }} --seed 2",
        ),
    ],
)
def test_ways_to_start(text: str, expected: str) -> None:
    assert [line(server) for server in servers(text)] == [expected]


@pytest.mark.parametrize(
    "text",
    [
        "echo vllm serve m",
        "echo 'run: vllm serve m'",
        "log_info vllm serve m",
        "pgrep -f 'vllm serve'",
        "pkill -f vllm serve",
        "grep -q vllm serve",
        "# vllm serve m",
        "vllm serve --help",
        "if vllm serve --help=all | grep -q x; then :; fi",
        "vllm bench serve --model m",
        "vllm chat",
        "pip install vllm serve",
        "vllm --version",
        "python -m vllm.benchmarks.serve --model m",
        "python -m sglang.launch_server --model-path m",
        "alias v='vllm serve m'",
        "cat <<EOF\nvllm serve m\nEOF",
        "Then run vllm serve m to start",
        "trap 'vllm serve m' EXIT",
        "wait_for 'vllm serve m'",
        "kubectl run x vllm serve m",
        "docker build -t vllm serve .",
        "bash run_vllm.sh serve",
    ],
)
def test_what_starts_none(text: str) -> None:
    assert servers(f"#!/bin/bash\n{text}\n") == []


def test_several_servers() -> None:
    text = "vllm serve a &\nCUDA_VISIBLE_DEVICES=1 vllm serve b --port 8001 &\nwait\n"
    found = servers(text)
    assert [(server.name, line(server)) for server in found] == [
        ("line 1", "serve a"),
        ("line 2", "serve b --port 8001"),
    ]
    assert [[(item.name, item.value) for item in server.variables] for server in found] == [
        [],
        [("CUDA_VISIBLE_DEVICES", "1")],
    ]


def test_variables_of_a_server() -> None:
    text = "export A=1\nB=2\nsudo env C=3 D=$B bash -c 'E=4 vllm serve $A'"
    (server,) = servers(text)
    assert [(item.name, item.value) for item in server.variables] == [("A", "1"), ("C", "3"), ("D", "2"), ("E", "4")]
    assert line(server) == "serve 1"


def test_places_inside_strings() -> None:
    text = "M=org/m\nssh host \"cd /x; bash -c 'vllm serve $M \\\n  --port 80'\"\n"
    source = Source(text, "x.sh")
    (server,) = servers_of(commands(source.whole()))
    assert [source.slice(word.span) for word in server.words if word.span] == ["org/m", "--port", "80"]
    assert [word.plain for word in server.words] == [True, True, True]
    assert [source.slice(word.extent) for word in server.words if word.extent] == [" \\\n  --port", " 80"]


def test_prologue() -> None:
    (server,) = servers("pip install 'transformers>=5' vllm==0.9.1\ncd /x\nvllm serve m\necho done\n")
    assert [[word.text for word in words] for words in server.prologue] == [
        ["pip", "install", "transformers>=5", "vllm==0.9.1"],
        ["cd", "/x"],
    ]


@pytest.mark.parametrize(
    ("text", "release"),
    [
        ("pip install vllm==0.8.5\nvllm serve m", "0.8.5"),
        ("uv pip install 'vllm[audio]==0.9.1+cu128' --system && vllm serve m", "0.9.1+cu128"),
        ("V=0.10.0\npip3 install -U vllm==$V\nvllm serve m", "0.10.0"),
        ("pip install https://x/vllm-0.8.4+cu121-cp38-abi3-linux_x86_64.whl\nvllm serve m", "0.8.4"),
        ("uvx --from vllm==0.9.0 vllm serve m", "0.9.0"),
        ("uvx vllm@0.9.2 serve m", "0.9.2"),
        ("bash -c 'pip install vllm==0.8.5; vllm serve m'", "0.8.5"),
        ("pip install vllm\nvllm serve m", None),
        ("pip install 'vllm>=0.9'\nvllm serve m", None),
        ("pip install vllm==$V\nvllm serve m", None),
        ("pip install flash-vllm-x==1.0\nvllm serve m", None),
        ("vllm serve m\npip install vllm==0.8.5", None),
    ],
)
def test_release(text: str, release: str | None) -> None:
    (server,) = servers(text)
    assert (server.release.value if server.release else None) == release
    if server.release and "$" not in text:
        assert "vllm" in Source(text, "run.sh").slice(server.release.span)


def test_images_of_slurm_and_apptainer() -> None:
    for text in (
        "srun --container-image=vllm/vllm-openai:v0.9.0 vllm serve m",
        "apptainer exec docker://vllm/vllm-openai:v0.9.0 vllm serve m",
    ):
        (server,) = servers(text)
        assert server.surroundings.image is not None
        assert (server.surroundings.image.value, server.surroundings.platform) == ("vllm/vllm-openai:v0.9.0", "host")


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("python -m vllm.entrypoints.api_server --model m", ["demo-server-module"]),
        ("vllm serve m \\ \n --port 1", ["broken-continuation"]),
        ("vllm serve “m”", ["unicode-dash-or-quote"]),
        ("vllm serve m --x '“quoted”'", []),
        ("bash -c 'vllm serve m\n --port 1'", ["broken-continuation"]),
        ("vllm serve m --port 1", []),
    ],
)
def test_notices(text: str, names: list[str]) -> None:
    (server,) = servers(text)
    assert [notice.name for notice in server.notices] == names


def test_an_open_quote_elsewhere() -> None:
    document = read_document("#!/bin/sh\nvllm serve m\necho 'x\n", "run.sh")
    assert document is not None
    assert [notice.name for notice in document.notices] == ["open-quote"]
    assert [notice.name for notice in document.servers[0].notices] == []


def given_container(words: str, image: str | None, *, replaces: bool = False) -> list[Server]:
    source = Source(words, "x")
    place = source.span(0, 0)
    around = Surroundings("kubernetes", Fact(image, place) if image else None, replaces_entrypoint=replaces)
    parts = [source.whole().part(*match) for match in _places(words)]
    command = of_items([Word(part.text, part.span(0, len(part.text))) for part in parts], parts, place)
    return container_servers(command, around, name="pod", span=place)


def _places(text: str) -> list[tuple[int, int]]:
    found, at = [], 0
    for word in text.split("|"):
        found += [(at, at + len(word))] if word else []
        at += len(word) + 1
    return found


OFFICIAL = "vllm/vllm-openai:v0.9.0"


@pytest.mark.parametrize(
    ("words", "image", "replaces", "expected"),
    [
        ("--model|m", OFFICIAL, False, ["image --model m"]),
        ("m|--port|1", OFFICIAL, False, ["image m --port 1"]),
        ("", OFFICIAL, False, ["image"]),
        ("vllm|serve|m", OFFICIAL, True, ["serve m"]),
        ("/bin/sh|-c|vllm serve m", OFFICIAL, True, ["serve m"]),
        ("--model|m", OFFICIAL, True, []),
        ("bash", OFFICIAL, False, []),
        ("sleep|infinity", OFFICIAL, False, []),
        ("vllm|serve|m", "nvcr.io/x/cuda:12", False, ["serve m"]),
        ("--model|m", "rocm/vllm:latest", False, ["image --model m"]),
        ("--model|m", "other/image", False, []),
        ("--model|m|--max-model-len|1", "", False, ["image --model m --max-model-len 1"]),
        ("--model|m", "", False, []),
        ("--port|1", "lmcache/vllm-router:1", False, []),
        ("-m|sglang", "lmsysorg/sglang", False, []),
        ("", "rocm/vllm", False, []),
    ],
)
def test_containers(words: str, image: str, replaces: bool, expected: list[str]) -> None:  # noqa: FBT001
    found = given_container(words, image, replaces=replaces)
    assert [line(server) for server in found] == expected
    assert not any(server.notices for server in found)
    assert [server.name for server in found] == ["pod"] * len(expected)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("vllm|serve|m", "image m"),
        ("serve|m", "image m"),
        ("python3|-m|vllm.entrypoints.openai.api_server|--model|m", "image --model m"),
        ("bash|-c|vllm serve m", "serve m"),
    ],
)
def test_entrypoint_repeated(words: str, expected: str) -> None:
    (server,) = given_container(words, OFFICIAL)
    assert line(server) == expected
    assert [notice.name for notice in server.notices] == ["entrypoint-repeated"]
    assert given_container(words, "rocm/vllm:x") == [] or not given_container(words, "rocm/vllm:x")[0].notices


@pytest.mark.parametrize(
    ("text", "name", "kind"),
    [
        ("#!/bin/sh\necho\n", "x", "shell"),
        ("echo\n", "x.sh", "shell"),
        ("vllm serve m", "", "shell"),
        ("vllm serve m", "<stdin>", "shell"),
        ("docker run vllm/vllm-openai --model m", "cmd", "shell"),
        ("vllm serve {{ m }}", "start.sh.j2", "shell"),
        ("import os\nos.system('vllm serve m')\n", "x", None),
        ("# Title\n```\nvllm serve m\n```\n", "README", None),
        ("vllm serve m", "notes.md", None),
        ("ls -l", "", None),
        ('{"a": "vllm serve m"}', "x", None),
        ("[Unit]\nDescription=vllm serve\n", "x", None),
    ],
)
def test_kind(text: str, name: str, kind: str | None) -> None:
    document = read_document(text, name)
    assert (document.kind if document else None) == kind


LINES = [
    "vllm serve m",
    "--port",
    "\\\n",
    "\n",
    " ",
    "'",
    '"',
    "$X",
    "docker run ",
    "vllm/vllm-openai ",
    "bash -c ",
    "env A=b ",
    "{{x}}",
    "-e ",
    "--gpus all ",
]
LINES += [
    "FROM vllm/vllm-openai\n",
    "CMD [",
    '"vllm", ',
    "]",
    "[Service]\n",
    "ExecStart=",
    "Environment=A=b\n",
    "<M>",
    "é",
    "\ue000",
    "-it ",
    "# c",
    "\r",
]


@settings(max_examples=300)
@given(st.lists(st.sampled_from(LINES), max_size=20), st.sampled_from(["shell", "systemd", "dockerfile"]))
def test_any_text_is_read(pieces: list[str], kind: str) -> None:
    reader = {module.KIND: module for module in readers()}[kind]
    source = Source("".join(pieces), "x")
    try:
        document = reader.read_document(source)
    except ReadError:
        return
    for server in document.servers:
        for word in server.words:
            if word.plain and word.span is not None:
                assert source.slice(word.span) == word.text
