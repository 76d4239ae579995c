"""`--max-num-seqs` lets far fewer requests run than the KV cache holds.

Further requests wait although there is room for them. Decoding is bound by memory bandwidth, so a GPU serves many
requests in about the time of one. A small number is right where a single user's answers must never slow down (vLLM
0.33.0, config/scheduler.py, max_num_seqs).

Example:
    ```sh gpu=h100-sxm
    vllm serve Qwen/Qwen3-8B --max-model-len 8192 --max-num-seqs 1 --host 127.0.0.1
    ```

Use instead:
    ```sh gpu=h100-sxm
    vllm serve Qwen/Qwen3-8B --max-model-len 8192 --max-num-seqs 32 --host 127.0.0.1
    ```
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llmtune.calc.case import Case
    from llmtune.spec.finding import Finding

SEVERITY = "info"
CONFIDENCE = "possible"
NEEDS = ("memory",)
FLAG = "max-num-seqs"
FEW = 4
TIMES = 8  # requests of full length that fit, for each that may run


def check(case: Case) -> Iterator[Finding]:
    """A handful, where the cache holds many times as many of full length."""
    seqs, kv = case.number(FLAG), case.memory.kv if case.memory is not None and case.memory.fits else None
    if seqs is None or not 1 <= seqs <= FEW or kv is None or not kv.groups or kv.max_concurrency < TIMES * seqs:
        return
    yield case.finding(
        f"{int(seqs)} of {int(kv.max_concurrency)} requests that fit may run at once",
        case.setting(FLAG),
        help="raise --max-num-seqs, unless a single answer must be as fast as possible",
    )
