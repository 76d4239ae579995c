r"""`--kv-cache-memory-bytes` makes `--gpu-memory-utilization` say nothing about the KV cache.

When the size of the KV cache is given in bytes, the engine neither profiles nor computes it from the share of the GPU;
the share is only compared with free memory at the start (since 0.10.2; vLLM 0.33.0, config/cache.py,
kv_cache_memory_bytes). With both written down, readers take the wrong one for what counts.

Example:
    ```sh
    vllm serve Qwen/Qwen3-8B --max-model-len 8192 --kv-cache-memory-bytes 8G --gpu-memory-utilization 0.8 \
      --host 127.0.0.1
    ```

Use instead:
    ```sh
    vllm serve Qwen/Qwen3-8B --max-model-len 8192 --kv-cache-memory-bytes 8G --host 127.0.0.1
    ```
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.calc.mending import without

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llmtune.calc.case import Case
    from llmtune.spec.finding import Finding

SEVERITY = "info"
SINCE = "0.10.2"
SHARE = "gpu-memory-utilization"


def check(case: Case) -> Iterator[Finding]:
    """Both are set."""
    size, share = case.setting("kv-cache-memory-bytes") or case.setting("kv-cache-memory"), case.setting(SHARE)
    if size is None or share is None or (size.known and not size.value):
        return
    yield case.finding(
        "--gpu-memory-utilization does not size the KV cache beside --kv-cache-memory-bytes",
        share,
        help="keep one of the two",
        fix=without(share),
    )
