"""The demonstration server is started, which has no OpenAI API.

`vllm.entrypoints.api_server` answers `/generate` only: no `/v1`, no chat, no tools, no key. It says of itself that it
is not meant for production (vLLM 0.10.0, entrypoints/api_server.py).

Example:
    ```sh
    python -m vllm.entrypoints.api_server --model Qwen/Qwen3-8B --max-model-len 8192 --host 127.0.0.1
    ```

Use instead:
    ```sh
    vllm serve Qwen/Qwen3-8B --max-model-len 8192 --host 127.0.0.1
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
    yield from reported(case, "demo-server-module")
