"""A number is not written as the option takes it.

Most numbers are digits only: `1e4`, `256.0`, `8GB` and an empty text are refused. A few options know suffixes
(`--max-model-len`, `--max-num-batched-tokens`, `--kv-cache-memory-bytes`), where `32k` is 32000 and `32K` is 32768, and
refuse decimals before a capital one. `auto` is a length since 0.14.0 (vLLM 0.33.0, utils/argparse_utils.py,
human_readable_int; limits: the config classes in vllm/config).

Example:
    ```sh
    vllm serve Qwen/Qwen3-8B --max-num-seqs 1e2 --max-model-len 8192 --host 127.0.0.1
    ```

Use instead:
    ```sh
    vllm serve Qwen/Qwen3-8B --max-num-seqs 100 --max-model-len 8192 --host 127.0.0.1
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
    yield from reported(case, "invalid-number")
