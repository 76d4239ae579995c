"""A word belongs to no flag and is not the model.

One word may stand free, the model's name behind `vllm serve`. Every other one is refused: a value with blanks that
lost its quotes, a value too many, a second model. `python -m vllm.entrypoints.openai.api_server` takes the model by
`--model` only; since 0.10.0 it drops a free word without a word of its own and serves the default model.

Example:
    ```sh
    vllm serve Qwen/Qwen3-8B --max-model-len 8192 --host 127.0.0.1 --chat-template my template.jinja
    ```

Use instead:
    ```sh
    vllm serve Qwen/Qwen3-8B --max-model-len 8192 --host 127.0.0.1 --chat-template "my template.jinja"
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
    yield from reported(case, "extra-argument")
