"""A flag is shortened so far that several flags begin with it.

vLLM's parser takes any unique beginning of a flag for the flag, and refuses one that several share. Which beginnings
are unique changes with every release that adds a flag (vLLM 0.33.0: `allow_abbrev` of Python's argparse is on in
utils/argparse_utils.py, FlexibleArgumentParser; `--model` became ambiguous in 0.9.0, issue 18999).

Example:
    ```sh
    vllm serve Qwen/Qwen3-8B --max-num 128 --max-model-len 8192 --host 127.0.0.1
    ```

Use instead:
    ```sh
    vllm serve Qwen/Qwen3-8B --max-num-seqs 128 --max-model-len 8192 --host 127.0.0.1
    ```
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.calc.releases import by_table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llmtune.calc.case import Case
    from llmtune.spec.finding import Finding

SEVERITY = "error"


def check(case: Case) -> Iterator[Finding]:
    """The reader finds it."""
    yield from by_table(case, "ambiguous-abbreviation")
