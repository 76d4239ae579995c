r"""The command repeats what the image's entry point says already.

`vllm/vllm-openai` starts the server by its ENTRYPOINT (`python3 -m vllm.entrypoints.openai.api_server`, `vllm serve`
since 0.11.1), and Compose's `command:`, Kubernetes' `args:` and the words behind the image in `docker run` are put
behind it. `vllm serve` there becomes two more arguments of the server, which it refuses. To start something else,
replace the entry point: `entrypoint:` in Compose, `command:` in Kubernetes, `--entrypoint` in `docker run`.

Example:
    ```sh
    docker run --gpus all --ipc host -v cache:/root/.cache -p 127.0.0.1:8000:8000 vllm/vllm-openai:v0.33.0 \
      vllm serve Qwen/Qwen3-8B --max-model-len 8192
    ```

Use instead:
    ```sh
    docker run --gpus all --ipc host -v cache:/root/.cache -p 127.0.0.1:8000:8000 vllm/vllm-openai:v0.33.0 \
      Qwen/Qwen3-8B --max-model-len 8192
    ```
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.rules import reported

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llmtune.calc.case import Case
    from llmtune.spec.finding import Finding

SEVERITY = "error"


def check(case: Case) -> Iterator[Finding]:
    """The reader finds it."""
    yield from reported(case, "entrypoint-repeated")
