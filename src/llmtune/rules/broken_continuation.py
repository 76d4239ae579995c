r"""A command ends in the middle, and the flags behind it are lost.

A backslash joins lines only as the very last character. With blanks behind it, with a comment or an empty line in
between, or without a backslash at all, the shell starts the server with what it has and then tries to run the next
line as a command of its own.

Example:
    ```sh
    vllm serve Qwen/Qwen3-8B --max-model-len 8192 --host 127.0.0.1 \
      # fewer requests at once
      --max-num-seqs 64
    ```

Use instead:
    ```sh
    # fewer requests at once
    vllm serve Qwen/Qwen3-8B --max-model-len 8192 --host 127.0.0.1 \
      --max-num-seqs 64
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
    yield from reported(case, "broken-continuation")
