"""The file is not valid YAML.

A tab in the indentation, a missing blank behind a colon, an open bracket or quote: no program reads past it, and
nothing behind it was checked. Files that are nested too deeply or whose aliases grow without bound are refused, too.

Example:
    ```yaml
    model: Qwen/Qwen3-8B
    max-model-len: [8192
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

SEVERITY = "error"


def check(case: Case) -> Iterator[Finding]:
    """The reader finds it."""
    yield from reported(case, "invalid-yaml")
