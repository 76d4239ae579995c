"""A suppression comment has nothing to suppress.

A comment `# llmtune: ignore[rule] reason` whose rule says nothing on that line hides the next mistake there. The
mistake was mended, the rule's name is misspelt, or the comment stands on another line than the setting: alone on a line
it speaks for the next one, and for a command that goes on over several lines as a whole.

Example:
    ```sh
    # llmtune: ignore[enforce-eager] debugging
    vllm serve Qwen/Qwen3-8B --max-model-len 8192 --host 127.0.0.1
    ```

Use instead:
    ```sh
    vllm serve Qwen/Qwen3-8B --max-model-len 8192 --host 127.0.0.1
    ```
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llmtune.calc.case import Case
    from llmtune.spec.finding import Finding

SEVERITY = "warning"


def check(_: Case) -> Iterator[Finding]:
    """Found once every other rule has spoken, by whoever runs the rules."""
    yield from ()
