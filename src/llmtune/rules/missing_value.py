"""An option that needs a value has none.

The next word is a flag, or the command ends there: a variable was empty, or a line was deleted. The parser says
"expected one argument" and stops.

Example:
    ```sh
    vllm serve Qwen/Qwen3-8B --max-model-len --host 127.0.0.1
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
    yield from reported(case, "missing-value")
