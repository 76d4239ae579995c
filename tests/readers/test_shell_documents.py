"""Files that scripts write with here-documents, and functions that are called with arguments."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from llmtune.readers import read_document
from llmtune.readers.shell_documents import here_document
from llmtune.readers.source import Source
from llmtune.spec.word import shown

if TYPE_CHECKING:
    from llmtune.spec.server import Document

COMPOSE = """\
services:
  chat:
    image: vllm/vllm-openai:v0.9.0
    command: --model org/m --seed 1
"""
UNIT = "[Service]\nExecStart=/usr/bin/vllm serve org/m \\\n  --seed 1\n"
DOCKERFILE = 'FROM vllm/vllm-openai:v0.9.0\nCMD ["--model", "org/m", "--seed", "1"]\n'
POD = """\
apiVersion: v1
kind: Pod
metadata: {name: p}
spec:
  containers:
    - name: c
      image: vllm/vllm-openai:v0.9.0
      args: [--model, org/m, --seed, "1"]
"""


def document(text: str) -> Document:
    found = read_document(text, "setup.sh")
    assert found is not None
    assert found.kind == "shell"
    return found


@pytest.mark.parametrize(
    ("head", "body"),
    [
        ("cat > docker-compose.yml <<EOF", COMPOSE),
        ("cat <<'EOF' > deploy/compose.yaml", COMPOSE),
        ("docker compose -f - up -d <<EOF", COMPOSE),
        ("sudo tee /etc/systemd/system/vllm.service > /dev/null <<'EOF'", UNIT),
        ("cat > Dockerfile <<EOF", DOCKERFILE),
        ("docker build -t me/m - <<EOF", DOCKERFILE),
        ("kubectl apply -f - <<EOF", POD),
        ("cat <<EOF | kubectl -n a apply -f -", POD),
    ],
)
def test_files_are_read_where_they_stand(head: str, body: str) -> None:
    text = f"#!/bin/bash\nset -e\n{head}\n{body}EOF\necho done\n"
    (server,) = document(text).servers
    found = [word for word in server.words if word.text != "--model"]
    assert [word.text for word in found] == ["org/m", "--seed", "1"]
    source = Source(text, "setup.sh")
    assert [source.slice(word.span).strip("\"'") for word in found if word.span] == ["org/m", "--seed", "1"]


def test_what_the_shell_fills_in_is_not_known() -> None:
    text = f"M=a\ncat > compose.yml <<EOF\n{COMPOSE.replace('org/m', '${M}').replace('v0.9.0', '$TAG')}EOF\n"
    (server,) = document(text).servers
    assert [shown(word.text) for word in server.words] == ["--model", "...", "--seed", "1"]
    assert server.words[1].span is not None
    assert Source(text, "setup.sh").slice(server.words[1].span) == "${M}"
    quoted = text.replace("<<EOF", "<<'EOF'").replace("${M}", "org/m")
    assert [word.text for word in document(quoted).servers[0].words][1] == "org/m"


def test_tabs_that_the_shell_takes_away() -> None:
    body = "".join(f"\t{line}\n" for line in COMPOSE.splitlines())
    text = f"if true; then\n\tcat > compose.yml <<-EOF\n{body}\tEOF\nfi\n"
    (server,) = document(text).servers
    assert server.words[1].span is not None
    assert Source(text, "setup.sh").slice(server.words[1].span) == "org/m"


def test_two_backslashes_continue_a_line_of_the_unit() -> None:
    text = f"cat > vllm.service <<EOF\n{UNIT.replace(chr(92), chr(92) * 2)}EOF\n"
    assert [word.text for word in document(text).servers[0].words] == ["org/m", "--seed", "1"]


@pytest.mark.parametrize(
    "text",
    [
        f"cat > a.yml <<EOF\n{COMPOSE}EOF\ncat >> a.yml <<EOF\n  other: {{}}\nEOF\n",  # written in pieces
        f"cat > a.yml <<EOF\n{COMPOSE}EOF\ncat > a.yml <<EOF\n{COMPOSE}EOF\n",
        f"cat >> a.yml <<EOF\n{COMPOSE}EOF\n",
        f"cat > notes.txt <<EOF\n{COMPOSE}EOF\n",
        f"cat <<EOF\n{COMPOSE}EOF\n",
        "cat > a.yml <<EOF\nservices: [vllm\nEOF\n",
        "cat > vllm.yaml <<EOF\nmodel: org/m\nmax-model-len: 1\nEOF\n",  # read with the command that names it
    ],
)
def test_what_is_left_out(text: str) -> None:
    assert document(text).servers == ()


def test_headers() -> None:
    assert here_document("cat 2> /dev/null <<EOF", 0, 1, quoted=False) is None
    found = here_document('cat > "$DIR/a.yaml" <<EOF', 0, 1, quoted=False)
    assert found is not None
    assert (found.title, found.target) == ("a.yaml", "$DIR/a.yaml")


CALLS = """\
start() {
  local model=$1 port="$2"
  shift 2
  vllm serve "$model" --port $port "$@" &
}
log() { echo "$@"; }
start org/a 8000 --seed 1
log started
start "org/b" 8001
"""


def test_functions_that_start_servers_are_read_for_every_call() -> None:
    servers = document(CALLS).servers
    assert [[word.text for word in server.words] for server in servers] == [
        ["org/a", "--port", "8000", "--seed", "1"],
        ["org/b", "--port", "8001"],
    ]
    source = Source(CALLS, "setup.sh")
    assert [source.slice(server.words[0].span) for server in servers if server.words[0].span] == ["org/a", "org/b"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("f() { vllm serve $1; }\nf org/a\nf $X\nf\n", [["org/a"]]),  # calls that say nothing add nothing
        ("f() { vllm serve $1; f $1; }\nf org/a\nf org/b\n", [["org/a"], ["org/b"]]),
        ("g() { vllm serve $1; }\nf() { g $1; }\nf org/a\nf org/b\n", [["org/a"], ["org/b"]]),
        ("f() { while [ $# -gt 0 ]; do M=$1; shift; done; vllm serve $M; }\nf org/a org/b\n", [["$M"]]),
    ],
)
def test_calls(text: str, expected: list[list[str]]) -> None:
    assert [[shown(word.text) for word in server.words] for server in document(text).servers] == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('b() { p=(vllm serve "$1"); echo "${p[@]}"; }\ncmd=$(b org/a)\neval $cmd\n', [["org/a"]]),
        ("b() { printf '%s ' vllm serve $1 --port 1; }\n$(b org/a) &\n", [["org/a", "--port", "1"]]),
        ('b() { echo "vllm serve $1"; }\nb org/a\n', []),  # it only says so
        ('b() { echo "run vllm serve $1"; }\nx=$(b org/a)\n', []),
        ("${RUNTIME} run --gpus all vllm/vllm-openai:v0.9.0 --model org/a\n", [["--model", "org/a"]]),
        ("${RUNTIME} pull vllm/vllm-openai:v0.9.0 --model org/a\n", []),
    ],
)
def test_commands_that_are_built_or_run_by_what_is_hidden(text: str, expected: list[list[str]]) -> None:
    assert [[shown(word.text) for word in server.words] for server in document(text).servers] == expected
