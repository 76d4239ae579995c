r"""A quote is opened and never closed.

The shell takes everything up to the end of the file for one word, and waits or gives up. What stands behind the quote
was not checked.

Example:
    ```sh
    vllm serve Qwen/Qwen3-8B \
      --max-model-len 8192 --host 127.0.0.1 --default-chat-template-kwargs '{"enable_thinking": false}
    ```

Use instead:
    ```sh
    vllm serve Qwen/Qwen3-8B \
      --max-model-len 8192 --host 127.0.0.1 --default-chat-template-kwargs '{"enable_thinking": false}'
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
    yield from reported(case, "open-quote")
