r"""A step cannot hold the draft tokens of all requests.

With adapters (`--enable-lora`) and speculative decoding together, every request of a batch takes its draft tokens and
one more. `--max-num-batched-tokens` must hold `--max-num-seqs` times that, or the engine stops: "Consider increasing
max_num_batched_tokens or decreasing num_speculative_tokens" (since 0.11.1; vLLM 0.33.0, engine/arg_utils.py,
create_engine_config).

Example:
    ```sh
    vllm serve Qwen/Qwen3-8B --max-model-len 8192 --max-num-seqs 512 --max-num-batched-tokens 2048 --enable-lora \
      --speculative-config '{"method": "ngram", "num_speculative_tokens": 5}' --max-lora-rank 32 --host 127.0.0.1
    ```

Use instead:
    ```sh
    vllm serve Qwen/Qwen3-8B --max-model-len 8192 --max-num-seqs 256 --max-num-batched-tokens 2048 --enable-lora \
      --speculative-config '{"method": "ngram", "num_speculative_tokens": 5}' --max-lora-rank 32 --host 127.0.0.1
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
SINCE = "0.11.1"
TOKENS = "max-num-batched-tokens"
SEQS = "max-num-seqs"


def check(case: Case) -> Iterator[Finding]:
    """Both stated, or filled in where model and GPU are known."""
    drafts = case.settings.mapping("speculative-config").get("num_speculative_tokens")
    if not case.is_on("enable-lora") or not isinstance(drafts, int) or drafts < 1:
        return
    tokens, seqs = case.number(TOKENS), case.number(SEQS)
    if (tokens is None or seqs is None) and case.refusal("adapters-budget") is not None and case.resolved is not None:
        tokens, seqs = case.resolved.max_num_batched_tokens, case.resolved.max_num_seqs
    if tokens is None or seqs is None or tokens >= seqs * (drafts + 1):
        return
    needed = int(seqs) * (drafts + 1)
    setting = case.setting(TOKENS) or case.setting(SEQS) or case.setting("speculative-config")
    yield case.finding(
        f"a step of {int(tokens)} tokens cannot hold the draft tokens of {int(seqs)} requests",
        setting,
        note=f"{int(seqs)} x {drafts + 1} = {needed}",
        help=f"set --max-num-batched-tokens {needed}, or lower --max-num-seqs",
        fix=set_to(case.setting(TOKENS), needed),
    )
