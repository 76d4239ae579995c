"""A `--config` file has not the form that vLLM reads.

It must be one file whose name ends in .yaml or .yml and which holds one mapping of flags to values. An empty file, a
list, several documents, a second `--config` or a key `model_tag` is refused or fails with a traceback (vLLM 0.33.0,
utils/argparse_utils.py, _pull_args_from_config and load_config_file).

Example:
    ```sh
    vllm serve Qwen/Qwen3-8B --config base.yaml --config extra.yaml --max-model-len 8192 --host 127.0.0.1
    ```

Use instead:
    ```sh
    vllm serve Qwen/Qwen3-8B --config merged.yaml --max-model-len 8192 --host 127.0.0.1
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
    yield from reported(case, "config-file-shape")
