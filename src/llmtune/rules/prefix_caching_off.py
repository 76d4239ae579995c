"""Prefix caching is switched off.

Requests that begin alike (a system prompt, the history of a chat, the documents of a question) then compute the same
keys and values again. The cache costs next to nothing where nothing is shared, which is why it is on by default since
0.8 (vLLM 0.33.0, config/cache.py, enable_prefix_caching). Off is right for benchmarks that must not profit from it.

Example:
    ```sh
    vllm serve Qwen/Qwen3-8B --max-model-len 8192 --no-enable-prefix-caching --host 127.0.0.1
    ```

Use instead:
    ```sh
    vllm serve Qwen/Qwen3-8B --max-model-len 8192 --host 127.0.0.1
    ```
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.calc.mending import without
from llmtune.calc.trials import default_switch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llmtune.calc.case import Case
    from llmtune.spec.finding import Finding

SEVERITY = "info"
CONFIDENCE = "possible"
FLAG = "enable-prefix-caching"


def check(case: Case) -> Iterator[Finding]:
    """Off by flag where it would be on."""
    if case.deployment.value(FLAG) is not False or default_switch(case, FLAG) is not True:
        return
    yield case.finding(
        "requests that begin alike compute the same again",
        case.setting(FLAG),
        help="remove it, unless this is a benchmark",
        fix=without(case.setting(FLAG)),
    )
