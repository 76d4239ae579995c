"""One request of the full context does not fit in the KV cache.

The engine checks at its start that the KV cache holds one request of `--max-model-len` tokens, and stops otherwise:
"To serve at least one request with the model's max seq len (131072), (16.0 GiB KV cache is needed, which is larger
than the available KV cache memory" (vLLM 0.33.0, v1/core/kv_cache_planning.py, _check_enough_kv_cache_memory). Without
`--max-model-len` the length is the model's own, which is often far more than anybody sends.

Example:
    ```sh gpu=l4
    vllm serve Qwen/Qwen3-8B --max-model-len 40960 --host 127.0.0.1
    ```

Use instead:
    ```sh gpu=l4
    vllm serve Qwen/Qwen3-8B --max-model-len 8192 --max-num-seqs 16 --host 127.0.0.1
    ```
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.calc.errors import Refused
from llmtune.calc.kv_pool import describe_pool
from llmtune.calc.mending import set_to
from llmtune.calc.trials import longest_context
from llmtune.calc.wording import gib, one_gpu
from llmtune.spec.memory import Failure

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llmtune.calc.case import Case
    from llmtune.spec.finding import Finding

SEVERITY = "error"
NEEDS = ("memory",)
LENGTH = "max-model-len"
DTYPE = "kv-cache-dtype"


def check(case: Case) -> Iterator[Finding]:
    """A KV cache that is too small, or may be."""
    memory = case.memory
    if memory is None or case.resolved is None or case.hardware is None:
        return
    short = memory.failure is not None and memory.failure.kind == "kv_cache" and memory.kv is None
    if short and memory.kv_available <= 0:
        return  # weights-do-not-fit says so
    close = memory.doubt.startswith("at ") and (memory.failure is None or short)
    if not short and not close:
        return
    length, setting = case.resolved.max_model_len, case.setting(LENGTH)
    longest = longest_context(case)
    said = f"{length} tokens" if setting is None else "--max-model-len"
    unsure = memory.verdict != "no"
    verb = "may not fit" if unsure else "does not fit"
    yield case.finding(
        f"one request {'of' if setting is None else 'at'} {said} {verb} in the KV cache",
        setting or case.model_word,
        note=memory.doubt
        or f"needs {gib(_needed(case))} of KV cache; {gib(memory.kv_available)} is left on {one_gpu(case.hardware)}",
        help=_ways_out(case, longest),
        fix=set_to(setting, longest) if longest else None,
        severity="warning" if unsure else "",
        confidence="likely" if unsure else "",
    )


def _needed(case: Case) -> int:
    """Bytes that one request of the full length takes on the stage that needs the most."""
    if case.model is None or case.resolved is None or case.hardware is None:
        return 0
    try:
        pool = describe_pool(case.model, case.resolved, gpu=case.hardware.gpu, engine=case.engine)
    except Refused:
        return 0
    if isinstance(pool, Failure):
        return 0
    length = 1 if case.resolved.auto_max_model_len else case.resolved.max_model_len
    return pool.request_blocks(length) * max(pool.checked_bytes, default=0)


def _ways_out(case: Case, longest: int | None) -> str:
    ways = []
    if longest:
        ways.append(f"lower it to {longest}" if case.deployment.has(LENGTH) else f"set --max-model-len {longest}")
    if case.resolved is not None and not case.resolved.kv_cache_dtype.startswith("fp8"):
        eight_bit = longest_context(case, {DTYPE: "fp8"})
        if eight_bit and eight_bit > (longest or 0):
            ways.append(f"set --kv-cache-dtype fp8 ({eight_bit} fits)")
    return ", or ".join(ways) or "take a larger GPU, a smaller model, or split it over more GPUs"
