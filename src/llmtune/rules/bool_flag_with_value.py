"""A switch is given a value.

Switches are turned on by their name and off by `--no-` in front of it. A value behind an equals sign is refused; one
behind a blank is left over and refused as an argument of its own, or taken for the model's name (Python's argparse,
BooleanOptionalAction; vLLM 0.33.0, engine/arg_utils.py). Only `--enable-chunked-prefill` took a value, up to 0.8.4.

Example:
    ```sh
    vllm serve Qwen/Qwen3-8B --enable-prompt-tokens-details true --max-model-len 8192 --host 127.0.0.1
    ```

Use instead:
    ```sh
    vllm serve Qwen/Qwen3-8B --enable-prompt-tokens-details --max-model-len 8192 --host 127.0.0.1
    ```
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.calc.releases import Trust, notices, trust

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llmtune.calc.case import Case
    from llmtune.spec.finding import Finding

SEVERITY = "error"


def check(case: Case) -> Iterator[Finding]:
    """The reader finds it; of a release that is not known the one switch that took a value may still do so."""
    unknown = trust(case) in {Trust.NONE, Trust.HIDDEN}
    for notice in notices(case, "bool-flag-with-value"):
        if not (unknown and "enable-chunked-prefill" in notice.message):
            yield case.finding(notice.message, notice.span, fix=notice.fix)
