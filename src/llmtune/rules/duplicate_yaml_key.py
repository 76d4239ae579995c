"""A key stands twice in one mapping.

YAML forbids it. Loaders that let it pass keep the last one, so the first is lost without a word; strict ones
(`kubectl apply --validate=strict`, Helm, Compose) refuse the file.

Example:
    ```yaml
    model: Qwen/Qwen3-8B
    host: 127.0.0.1
    max-model-len: 8192
    max-num-seqs: 64
    max-model-len: 16384
    ```

Use instead:
    ```yaml
    model: Qwen/Qwen3-8B
    host: 127.0.0.1
    max-num-seqs: 64
    max-model-len: 16384
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
    yield from reported(case, "duplicate-yaml-key")
