r"""A step cannot hold the longest prompt, and prompts are not cut.

Without chunked prefill a prompt is processed in one step, so `--max-num-batched-tokens` must be at least
`--max-model-len`: "max_num_batched_tokens (2048) is smaller than max_model_len (8192)" (vLLM 0.33.0,
config/scheduler.py). Releases 0.8 to 0.11.0 cut prompts of generating models whatever they are told.

Example:
    ```sh
    vllm serve Qwen/Qwen3-8B --max-model-len 8192 --max-num-batched-tokens 4096 --no-enable-chunked-prefill \
      --host 127.0.0.1
    ```

Use instead:
    ```sh
    vllm serve Qwen/Qwen3-8B --max-model-len 8192 --max-num-batched-tokens 4096 --host 127.0.0.1
    ```
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.calc.mending import without
from llmtune.calc.switches import word

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llmtune.calc.case import Case
    from llmtune.spec.finding import Finding

SEVERITY = "error"
TOKENS = "max-num-batched-tokens"
LENGTH = "max-model-len"
CHUNKED = "enable-chunked-prefill"


def check(case: Case) -> Iterator[Finding]:
    """Both stated, or filled in where model and GPU are known."""
    tokens, length = case.number(TOKENS), case.number(LENGTH)
    off = case.settings.flag(CHUNKED) is False and word(case.engine, "default.chunked_prefill") != "forced"
    stated = off and tokens is not None and length is not None and tokens < length
    if not stated:
        if case.refusal("whole-prompts-fit") is None or case.resolved is None:
            return
        tokens, length = case.resolved.max_num_batched_tokens, case.resolved.max_model_len
    yield case.finding(
        f"a step of {int(tokens or 0)} tokens cannot hold a prompt of {int(length or 0)}",
        case.setting(TOKENS) or case.setting(LENGTH) or case.model_word,
        help=f"set --max-num-batched-tokens {int(length or 0)}, or let prompts be cut"
        + (" (remove --no-enable-chunked-prefill)" if off else ""),
        fix=without(case.setting(CHUNKED)) if off else None,
    )
