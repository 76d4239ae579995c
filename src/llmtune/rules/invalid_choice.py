"""An option is set to a value that it does not have.

The parser refuses what is not in its list, and names such as `fp16` are in none: vLLM says `float16` or `half`. Lists
change from release to release, so the list is that of the release that the file names. Some values are only checked
after parsing, such as `--kv-cache-dtype` of 0.33.0 (vLLM 0.33.0, engine/arg_utils.py, literal_to_kwargs;
config/cache.py).

Example:
    ```sh
    vllm serve Qwen/Qwen3-8B --dtype fp16 --max-model-len 8192 --host 127.0.0.1
    ```

Use instead:
    ```sh
    vllm serve Qwen/Qwen3-8B --dtype float16 --max-model-len 8192 --host 127.0.0.1
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
    yield from by_table(case, "invalid-choice")
