"""The KV cache holds hardly more than one request of full length.

The engine prints it at its start as "Maximum concurrency for 131072 tokens per request: 1.31x". Requests beyond it
wait, or are preempted and computed again once they have grown (vLLM 0.33.0, v1/core/sched/scheduler.py). That is fine
where requests are much shorter than `--max-model-len`; otherwise a shorter context, an 8-bit KV cache or more GPUs
serve more at once. It is a note where `--max-num-seqs` already asks for few requests.

Example:
    ```sh gpu=l4
    vllm serve Qwen/Qwen3-8B --max-model-len 16384 --max-num-seqs 256 --host 127.0.0.1
    ```

Use instead:
    ```sh gpu=l4
    vllm serve Qwen/Qwen3-8B --max-model-len 4096 --max-num-seqs 16 --host 127.0.0.1
    ```
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.calc.wording import gib

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llmtune.calc.case import Case
    from llmtune.spec.finding import Finding

SEVERITY = "warning"
CONFIDENCE = "likely"
NEEDS = ("memory",)
LEAST = 2.0  # requests of full length at once
FEW = 32  # requests that somebody asks for who knows that the KV cache is small


def check(case: Case) -> Iterator[Finding]:
    """A cache below two requests where more may run; unset lengths are max-model-len-unset's."""
    memory, resolved, setting = case.memory, case.resolved, case.setting("max-model-len")
    if memory is None or resolved is None or setting is None or memory.failure is not None:
        return
    kv = memory.kv
    if kv is None or not kv.groups or kv.max_concurrency >= LEAST or resolved.max_num_seqs <= LEAST:
        return
    if memory.doubt or resolved.auto_max_model_len:
        return
    asked = case.number("max-num-seqs")
    yield case.finding(
        f"the KV cache holds {kv.max_concurrency:.1f} requests of {kv.max_model_len} tokens at once",
        setting,
        note=f"{gib(memory.part('KV cache').bytes)} hold {kv.tokens} tokens; "
        f"up to {resolved.max_num_seqs} requests may run",
        help="lower --max-model-len to what requests need, or set --kv-cache-dtype fp8",
        severity="info" if asked is not None and asked <= FEW else "",
    )
