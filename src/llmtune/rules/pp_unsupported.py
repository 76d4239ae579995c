"""The model cannot be cut into pipeline stages.

Encoder-decoder models read the encoder's output in every layer, so their layers cannot stand on different GPUs:
"Pipeline parallelism is not supported for this model" (vLLM 0.33.0, config/model.py, verify_with_parallel_config).

Example:
    ```sh
    vllm serve openai/whisper-large-v3 --pipeline-parallel-size 2 --host 127.0.0.1
    ```

Use instead:
    ```sh
    vllm serve openai/whisper-large-v3 --tensor-parallel-size 2 --host 127.0.0.1
    ```
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llmtune.calc.case import Case
    from llmtune.spec.finding import Finding

SEVERITY = "error"
NEEDS = ("model",)
FLAG = "pipeline-parallel-size"


def check(case: Case) -> Iterator[Finding]:
    """The engine's own check of stages."""
    if case.refusal("stages", FLAG) is not None:
        yield case.finding(
            "this model cannot be cut into pipeline stages",
            case.setting(FLAG),
            help="use --tensor-parallel-size",
        )
