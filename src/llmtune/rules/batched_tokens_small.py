"""Small prefill steps make long prompts wait.

`--max-num-batched-tokens` is what one step may process, prompts and answers together. Prompts are cut into steps of
that size, so a small one stretches the time to the first token, and the GPU is not filled. The engine's own default is
2048 on small GPUs, 8192 from 70 GiB and 16384 from 160 GiB on (vLLM 0.33.0, engine/arg_utils.py, get_batch_defaults).

Example:
    ```sh
    vllm serve Qwen/Qwen3-8B --max-model-len 8192 --max-num-batched-tokens 512 --max-num-seqs 64 --host 127.0.0.1
    ```

Use instead:
    ```sh
    vllm serve Qwen/Qwen3-8B --max-model-len 8192 --max-num-batched-tokens 2048 --max-num-seqs 64 --host 127.0.0.1
    ```
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.calc import traits
from llmtune.calc.container import on_other_chips
from llmtune.calc.mending import set_to

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llmtune.calc.case import Case
    from llmtune.spec.finding import Finding

SEVERITY = "info"
SINCE = "0.8.0"
FLAG = "max-num-batched-tokens"
LEAST = 2048  # tokens: the smallest default of any GPU


def check(case: Case) -> Iterator[Finding]:
    """A step below every default that does not hold a whole prompt either."""
    tokens = case.number(FLAG)
    if tokens is None or not 0 < tokens < LEAST or not case.in_sight("max-model-len", "max-num-seqs"):
        return
    if case.model is not None and not traits.generates(case.model):
        return
    length = case.number("max-model-len") or (case.outline.max_model_len if case.outline is not None else None)
    seqs = case.number("max-num-seqs")
    if (length is not None and length <= tokens) or (seqs is not None and tokens < seqs):
        return
    if case.settings.flag("enable-chunked-prefill") is False or on_other_chips(case):
        return
    yield case.finding(
        f"prompts are processed in steps of {int(tokens)} tokens",
        case.setting(FLAG),
        help=f"set --max-num-batched-tokens {LEAST} or more, unless running answers must not stutter at all",
        fix=set_to(case.setting(FLAG), LEAST),
    )
