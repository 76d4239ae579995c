"""A typographic dash, quote or blank stands in a command.

Word processors and chat programs make an en dash of two hyphens and curly quotes of straight ones. To a shell and to
vLLM they are letters: `\u2013tp` is no flag but a word, and a no-break space parts nothing (reproduced with the parser
of vLLM 0.33.0: "unrecognized arguments").

Example:
    ```sh
    vllm serve Qwen/Qwen3-8B \u2013-port 8000 --max-model-len 8192 --host 127.0.0.1
    ```

Use instead:
    ```sh
    vllm serve Qwen/Qwen3-8B --port 8000 --max-model-len 8192 --host 127.0.0.1
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
    yield from reported(case, "unicode-dash-or-quote")
