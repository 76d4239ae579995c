"""`--config=FILE` is ignored without a word.

vLLM looks for the word `--config` among its arguments and opens the file that follows it. Joined by an equals sign the
word is another one: no file is opened, no message is printed, and every setting in the file keeps its default. All
releases from 0.6.0 to 0.33.0 do so (vLLM 0.33.0, utils/argparse_utils.py, FlexibleArgumentParser.parse_args).

Example:
    ```sh
    vllm serve Qwen/Qwen3-8B --config=vllm.yaml --max-model-len 8192 --host 127.0.0.1
    ```

Use instead:
    ```sh
    vllm serve Qwen/Qwen3-8B --config vllm.yaml --max-model-len 8192 --host 127.0.0.1
    ```
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.rules import reported

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llmtune.calc.case import Case
    from llmtune.spec.finding import Finding

SEVERITY = "error"


def check(case: Case) -> Iterator[Finding]:
    """The reader finds it."""
    yield from reported(case, "config-equals-ignored")
