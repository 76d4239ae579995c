"""The model is named twice, and one of them is not served.

The model behind `vllm serve` wins over `model:` in a `--config` file (vLLM 0.33.0, entrypoints/cli/serve.py:
`args.model = args.model_tag`). Beside `--model` on the same command line it is one argument too many, and vLLM stops
(utils/argparse_utils.py, parse_args, moves `--model` to the front).

Example:
    ```sh
    vllm serve Qwen/Qwen3-8B --model Qwen/Qwen3-4B --max-model-len 8192 --host 127.0.0.1
    ```

Use instead:
    ```sh
    vllm serve Qwen/Qwen3-8B --max-model-len 8192 --host 127.0.0.1
    ```
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.calc.releases import notices

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llmtune.calc.case import Case
    from llmtune.spec.finding import Finding

SEVERITY = "warning"


def check(case: Case) -> Iterator[Finding]:
    """The reader finds it; the parser refuses ``--model`` beside another one."""
    for notice in notices(case, "model-given-twice"):
        severity = "error" if notice.flag == "--model" else ""
        yield case.finding(notice.message, notice.span, fix=notice.fix, severity=severity)
