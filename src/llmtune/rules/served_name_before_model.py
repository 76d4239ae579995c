"""`--served-model-name` stands where the model should, and takes it for a name.

The option takes every word up to the next flag. When nothing stands before it, the model is one of those words, and
vLLM stops: "`model` should be provided as the first positional argument" (vLLM 0.33.0, utils/argparse_utils.py,
parse_args; issue 8947).

Example:
    ```sh
    vllm serve --served-model-name chat Qwen/Qwen3-8B --max-model-len 8192 --host 127.0.0.1
    ```

Use instead:
    ```sh
    vllm serve Qwen/Qwen3-8B --served-model-name chat --max-model-len 8192 --host 127.0.0.1
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
    yield from reported(case, "served-name-before-model")
