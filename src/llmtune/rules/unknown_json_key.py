r"""A JSON option has a key that it does not know.

Since 0.16.0 the classes behind `--compilation-config`, `--speculative-config`, `--kv-transfer-config` and the like
refuse keys that they do not have; `--compilation-config` does since 0.13.0. Before, such a key was dropped without a
word (vLLM 0.33.0, config/utils.py, `config`: `extra="forbid"`).

Example:
    ```sh
    vllm serve Qwen/Qwen3-8B --compilation-config '{"cuda_graph_mode": "FULL"}' \
      --max-model-len 8192 --host 127.0.0.1
    ```

Use instead:
    ```sh
    vllm serve Qwen/Qwen3-8B --compilation-config '{"cudagraph_mode": "FULL"}' --max-model-len 8192 --host 127.0.0.1
    ```
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.calc.releases import by_table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llmtune.calc.case import Case
    from llmtune.spec.finding import Finding

SEVERITY = "error"


def check(case: Case) -> Iterator[Finding]:
    """The reader finds it."""
    yield from by_table(case, "unknown-json-key")
