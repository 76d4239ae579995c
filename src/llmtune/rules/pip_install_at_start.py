r"""Packages are installed each time the container starts.

What `pip install` brings changes from day to day: another Transformers, or another vLLM that it pulls along, and a
restart at night ends with a server that does not start (vLLM issue 39279: `pip install transformers>=5.5.0`, where
the shell takes `>` for a redirection, too). It also needs the network and makes every start slower. Build an image
with the packages in it.

Example:
    ```sh
    docker run --gpus all --ipc=host -p 127.0.0.1:8000:8000 -v /srv/hf:/root/.cache/huggingface --entrypoint bash \
      vllm/vllm-openai:v0.33.0 -c "pip install timm && vllm serve Qwen/Qwen3-8B --max-model-len 16384"
    ```

Use instead:
    ```sh
    docker run --gpus all --ipc=host -p 127.0.0.1:8000:8000 -v /srv/hf:/root/.cache/huggingface \
      example.com/vllm-with-timm:v0.33.0 vllm serve Qwen/Qwen3-8B --max-model-len 16384
    ```
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from llmtune.calc.case import CONTAINERS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llmtune.calc.case import Case
    from llmtune.spec.finding import Finding
    from llmtune.spec.span import Span
    from llmtune.spec.word import Word

SEVERITY = "warning"

INSTALLS = re.compile(r"(sudo )?((python[\d.]* -m |uv )?pip3? install|uv (add|sync)|(conda|mamba) install)\b")


def cover(words: tuple[Word, ...]) -> Span | Word:
    """The command on its line, from its first word to its last one there."""
    first = words[0].span
    if first is None:
        return words[0]
    last = [word.span for word in words if word.span is not None and word.span.end_line == first.line][-1]
    return replace(first, end_line=last.end_line, end_column=last.end_column)


def check(case: Case) -> Iterator[Finding]:
    """An installation among the commands in front of the server's."""
    if case.around.platform not in CONTAINERS:
        return
    for words in case.server.prologue:
        said = " ".join(word.text.rsplit("/", 1)[-1] for word in words[:5])
        if INSTALLS.match(said):
            yield case.finding(
                "packages are installed at every start: the next one may bring others, or none without the network",
                cover(words),
                help="build an image that has them",
            )
