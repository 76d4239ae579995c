"""An option that takes JSON is given something else.

Usually a shell took the quotes away, single quotes stand inside, or the text is in the form of an old release
(`--limit-mm-per-prompt image=2` up to 0.9.2). A value of the wrong type is refused as well, and so are keys that need
another one beside them, such as `kv_connector` without `kv_role`. Dotted flags need no JSON:
`--override-generation-config.temperature 0.6` (vLLM 0.33.0, engine/arg_utils.py; issues 39687 and 21615).

Example:
    ```sh
    vllm serve Qwen/Qwen3-8B --max-model-len 8192 --host 127.0.0.1 --mm-processor-kwargs {"max_pixels":1000}
    ```

Use instead:
    ```sh
    vllm serve Qwen/Qwen3-8B --max-model-len 8192 --host 127.0.0.1 --mm-processor-kwargs '{"max_pixels":1000}'
    ```
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.calc.releases import by_table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llmtune.calc.case import Case
    from llmtune.spec.finding import Finding

SEVERITY = "error"


def check(case: Case) -> Iterator[Finding]:
    """The reader finds it."""
    yield from by_table(case, "invalid-json-argument", forks=True)
