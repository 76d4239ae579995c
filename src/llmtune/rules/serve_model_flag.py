"""`vllm serve` is given the model by `--model`.

The model is the word behind `vllm serve`. From 0.8.3 to 0.11.0 `--model` was refused there; since 0.11.1 it is moved
to the front, with a warning that the flag will go (vLLM 0.33.0, utils/argparse_utils.py, parse_args).

Example:
    ```sh
    vllm serve --model Qwen/Qwen3-8B --max-model-len 8192 --host 127.0.0.1
    ```

Use instead:
    ```sh
    vllm serve Qwen/Qwen3-8B --max-model-len 8192 --host 127.0.0.1
    ```
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from llmtune.rules import reported

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llmtune.calc.case import Case
    from llmtune.spec.finding import Finding

SEVERITY = "warning"


def check(case: Case) -> Iterator[Finding]:
    """The reader finds it; whether the release refuses it is a switch of its parser."""
    refused = case.release_known and case.engine.behaviour.get("parser.serve_model_flag") == "refused"
    for finding in reported(case, "serve-model-flag"):
        yield replace(finding, severity="error") if refused else finding
