"""A flag comes in a later release than the one that runs.

The parser of the release that the image or the package names does not have it yet: "unrecognized arguments". Take a
newer release, or leave the flag out.

Example:
    ```sh vllm-version=0.10.2
    vllm serve Qwen/Qwen3-8B --attention-backend FLASH_ATTN --max-model-len 8192 --host 127.0.0.1
    ```

Use instead:
    ```sh vllm-version=0.16.0
    vllm serve Qwen/Qwen3-8B --attention-backend FLASH_ATTN --max-model-len 8192 --host 127.0.0.1
    ```
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.calc.releases import Trust, fate, notices, trust, unfinished

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llmtune.calc.case import Case
    from llmtune.spec.finding import Finding

SEVERITY = "error"
NEEDS = ("release",)


def check(case: Case) -> Iterator[Finding]:
    """Flags that the option table lacks and a later one has."""
    if trust(case) is not Trust.FULL or unfinished(case):
        return
    for notice in notices(case, "unknown-flag", "ambiguous-abbreviation"):
        found = fate(case, notice.flag)
        if found.kind == "later":
            yield case.finding(
                f"{notice.flag} needs vLLM {found.history.first}; {case.release} runs here",
                notice.words[0] if notice.words else notice.span,
                help=f"take vLLM {found.history.first} or newer, or delete it",
            )
