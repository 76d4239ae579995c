"""A flag is not written in full.

vLLM's parser takes any unique beginning of a flag for the flag. It stops to be unique when a release adds another flag
that begins so, and then the server does not start: `--model` became ambiguous in 0.9.0 (issue 18999), `--device`, a
flag until 0.9.2, is the beginning of two others since 0.25.0.

Example:
    ```sh
    vllm serve Qwen/Qwen3-8B --gpu-memory-util 0.9 --max-model-len 8192 --host 127.0.0.1
    ```

Use instead:
    ```sh
    vllm serve Qwen/Qwen3-8B --gpu-memory-utilization 0.9 --max-model-len 8192 --host 127.0.0.1
    ```
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.calc.releases import Trust, gone, notices, trust

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llmtune.calc.case import Case
    from llmtune.spec.finding import Finding

SEVERITY = "info"


def check(case: Case) -> Iterator[Finding]:
    """The reader finds it; what was a flag of its own once is the removed flag."""
    if trust(case) in {Trust.NONE, Trust.BUILD, Trust.HIDDEN}:
        return
    for notice in notices(case, "abbreviated-flag"):
        if gone(case, notice) is None:
            yield case.finding(notice.message, notice.span, fix=notice.fix)
