"""An empty list in a `--config` file has no effect.

vLLM makes no argument of it, so the option keeps its default (vLLM 0.33.0, utils/argparse_utils.py,
load_config_file).

Example:
    ```yaml
    model: Qwen/Qwen3-8B
    host: 127.0.0.1
    max-model-len: 8192
    cudagraph-capture-sizes: []
    ```

Use instead:
    ```yaml
    model: Qwen/Qwen3-8B
    host: 127.0.0.1
    max-model-len: 8192
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
    yield from reported(case, "config-empty-list")
