"""A step cannot give every request one token.

Each running request takes at least one token of a step, so `--max-num-batched-tokens` must be at least
`--max-num-seqs`: "max_num_batched_tokens (128) must be greater than or equal to max_num_seqs (256)" (vLLM 0.33.0,
config/scheduler.py).

Example:
    ```sh
    vllm serve Qwen/Qwen3-8B --max-model-len 8192 --max-num-batched-tokens 2048 --max-num-seqs 4096 --host 127.0.0.1
    ```

Use instead:
    ```sh
    vllm serve Qwen/Qwen3-8B --max-model-len 8192 --max-num-batched-tokens 8192 --max-num-seqs 512 --host 127.0.0.1
    ```
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.calc.mending import set_to

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llmtune.calc.case import Case
    from llmtune.spec.finding import Finding

SEVERITY = "error"
TOKENS = "max-num-batched-tokens"
SEQS = "max-num-seqs"


def check(case: Case) -> Iterator[Finding]:
    """Both stated, or filled in where model and GPU are known."""
    tokens, seqs = case.number(TOKENS), case.number(SEQS)
    if (tokens is None or seqs is None) and case.refusal("one-token-each") is not None and case.resolved is not None:
        tokens, seqs = case.resolved.max_num_batched_tokens, case.resolved.max_num_seqs
    if tokens is None or seqs is None or tokens >= seqs:
        return
    setting = case.setting(TOKENS)
    yield case.finding(
        f"a step of {int(tokens)} tokens cannot serve {int(seqs)} requests",
        setting or case.setting(SEQS),
        help=f"set --max-num-batched-tokens {int(seqs)} or more, or lower --max-num-seqs",
        fix=set_to(setting, int(seqs)),
    )
