"""A flag and its value are one argument, which nothing splits.

Lists in Compose and Kubernetes and the exec form of a Dockerfile pass each item as it is. `"--port 8000"` is one word
with a blank in it, and no flag has such a name (Python's argparse; issue 8273).

Example:
    ```dockerfile
    FROM vllm/vllm-openai:v0.33.0
    CMD ["Qwen/Qwen3-8B", "--host", "127.0.0.1", "--max-model-len 8192"]
    ```

Use instead:
    ```dockerfile
    FROM vllm/vllm-openai:v0.33.0
    CMD ["Qwen/Qwen3-8B", "--host", "127.0.0.1", "--max-model-len=8192"]
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
    yield from reported(case, "flag-and-value-in-one-item")
