"""YAML reads a plain value as something else before vLLM sees it.

vLLM's `--config` file is YAML 1.1: `0123456` is an octal number, `12:30` a number to base 60, `3.10` becomes 3.1, `no`
and `off` become false. An option that takes a text gets another one than the file shows (vLLM 0.33.0,
utils/argparse_utils.py, load_config_file: `yaml.safe_load`).

Example:
    ```yaml
    model: Qwen/Qwen3-8B
    host: 127.0.0.1
    max-model-len: 8192
    revision: 0123456
    ```

Use instead:
    ```yaml
    model: Qwen/Qwen3-8B
    host: 127.0.0.1
    max-model-len: 8192
    revision: "0123456"
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
    yield from reported(case, "yaml-implicit-type")
