"""Values of charts: an image of vLLM beside arguments."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from llmtune.readers import read_document
from llmtune.readers.source import Source
from llmtune.spec.surroundings import UNKNOWN
from llmtune.spec.word import shown

if TYPE_CHECKING:
    from llmtune.spec.server import Document

VALUES = """\
replicas: 1
inference:
  image:
    registry: docker.io
    repository: vllm/vllm-openai
    tag: v0.20.0
  args:
    - --model=org/chat
    - --max-model-len
    - "4096"
    - "--port 8001"
  env:
    - {name: HF_HOME, value: /data}
  resources:
    limits: {nvidia.com/gpu: 2}
"""


def document(text: str, name: str = "values.yaml") -> Document:
    found = read_document(text, name)
    assert found is not None
    assert found.kind == "helm-values"
    return found


def words(text: str) -> list[str]:
    (server,) = document(text).servers
    return [shown(word.text) + "*" * word.open for word in server.words]


def test_words_and_places() -> None:
    (server,) = document(VALUES).servers
    source = Source(VALUES, "values.yaml")
    assert (server.name, server.entry) == ("inference", "image")
    assert [(word.text, source.slice(word.span)) for word in server.words[:-1] if word.span] == [
        ("--model=org/chat", "--model=org/chat"),
        ("--max-model-len", "--max-model-len"),
        ("4096", '"4096"'),
        ("--port", "--port"),
        ("8001", "8001"),
    ]
    assert server.words[-1].open  # the chart may add to them
    assert server.surroundings.gpus is not None
    assert server.surroundings.gpus.value == 2
    assert server.surroundings.image is not None
    assert server.surroundings.image.value == "docker.io/vllm/vllm-openai:v0.20.0"
    assert source.slice(server.surroundings.image.span) == "v0.20.0"
    assert not server.surroundings.complete
    assert [item.name for item in server.variables] == ["HF_HOME"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("image: vllm/vllm-openai:v0.9.0\nextraArgs: [--seed=1]\n", ["--seed=1", "*"]),
        (
            "image: vllm/vllm-openai:v0.9.0\nargs: '--dtype \"auto\" --seed 1'\n",
            ["--dtype", "auto", "--seed", "1", "*"],
        ),
        ("image: {name: me/vllm-cuda, version: '1'}\nargs: [--seed, '1']\n", ["--seed", "1", "*"]),
        (
            "image: {repository: me/tools}\ncommand: [vllm, serve]\nargs: [m]\n"
            "server: {image: me/vllm:1, command: [vllm, serve], args: [m, --seed=1]}\n",
            ["m", "--seed=1", "*"],
        ),
        ("image: me/vllm:1\ncommand: [/bin/sh, -c]\nargs: ['vllm serve m --seed 1']\n", ["m", "--seed", "1"]),
    ],
)
def test_shapes(text: str, expected: list[str]) -> None:
    assert words(text) == expected


def test_a_tag_that_the_chart_fills_in_is_not_known() -> None:
    (server,) = document("image: {repository: vllm/vllm-openai, tag: ''}\nargs: [--seed=1]\n").servers
    assert server.surroundings.image is not None
    assert server.surroundings.image.value is UNKNOWN


@pytest.mark.parametrize(
    "text",
    [
        "image: {repository: vllm/vllm-openai, tag: v0.9.0}\nargs: []\n",
        "image: {repository: lmcache/vllm-router, tag: v1}\nargs: [--port, '1']\n",
        "image: vllm/vllm-openai:v0.9.0\nother:\n  args: [--seed=1]\n",
        "apiVersion: v2\nimage: vllm/vllm-openai:v0.9.0\nargs: [--seed=1]\n",
        "image: vllm/vllm-openai:v0.9.0\nargs: [--seed=1\n",
    ],
)
def test_other_values_are_left_alone(text: str) -> None:
    assert read_document(text, "values.yaml") is None
