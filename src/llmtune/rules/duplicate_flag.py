"""An option is given twice, and only the last one counts.

The parser keeps the last value and drops the others, for options with a list, too: a second `--lora-modules` replaces
the first one. vLLM logs "Found duplicate keys" and goes on (vLLM 0.33.0, utils/argparse_utils.py, parse_args). What a
command line says over its `--config` file is meant so and is not reported.

Example:
    ```sh
    vllm serve Qwen/Qwen3-8B --port 8000 --max-model-len 8192 --host 127.0.0.1 --port 9000
    ```

Use instead:
    ```sh
    vllm serve Qwen/Qwen3-8B --max-model-len 8192 --host 127.0.0.1 --port 9000
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
    yield from reported(case, "duplicate-flag")
