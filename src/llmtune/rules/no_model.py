"""No model is named, so vLLM serves the small one that is its default.

Nothing fails: the server loads Qwen/Qwen3-0.6B (facebook/opt-125m before 0.10.0) and answers with it (vLLM 0.33.0,
config/model.py, ModelConfig.model). With `vllm serve --config` the parser stops unless the file has `model:`. A config
file on its own is not asked for one: the command line may name it.

Example:
    ```sh
    vllm serve --host 127.0.0.1 --max-model-len 8192
    ```

Use instead:
    ```sh
    vllm serve Qwen/Qwen3-8B --host 127.0.0.1 --max-model-len 8192
    ```
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.rules import reported

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llmtune.calc.case import Case
    from llmtune.spec.finding import Finding

SEVERITY = "warning"


def check(case: Case) -> Iterator[Finding]:
    """The reader finds it."""
    if case.server.entry != "config":
        yield from reported(case, "no-model")
