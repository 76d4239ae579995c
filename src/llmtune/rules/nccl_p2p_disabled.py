"""GPUs with NVLink are kept from reaching each other directly.

`NCCL_P2P_DISABLE=1` sends what the GPUs exchange through the host's memory, and switches vLLM's own all-reduce off
with it. On GPUs joined by NVLink that throws away most of their bandwidth, in every layer of every token. The variable
is a remedy for machines whose PCIe cannot do it (NCCL documentation, environment variables).

Example:
    ```sh gpu=h100-sxm gpus=2
    NCCL_P2P_DISABLE=1 vllm serve Qwen/Qwen3-32B --max-model-len 8192 --tensor-parallel-size 2 --host 127.0.0.1
    ```

Use instead:
    ```sh gpu=h100-sxm gpus=2
    vllm serve Qwen/Qwen3-32B --max-model-len 8192 --tensor-parallel-size 2 --host 127.0.0.1
    ```
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.calc.mending import without_word

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llmtune.calc.case import Case
    from llmtune.spec.finding import Finding

SEVERITY = "warning"
NEEDS = ("hardware",)
NAME = "NCCL_P2P_DISABLE"


def check(case: Case) -> Iterator[Finding]:
    """The variable, on several GPUs with NVLink."""
    variable = case.variable(NAME)
    ranks = (case.number("tensor-parallel-size") or 1) * (case.number("pipeline-parallel-size") or 1)
    if variable is None or case.settings.variable(NAME) is not True or case.hardware is None or ranks == 1:
        return
    if case.hardware.gpu.nvlink_bandwidth is not None:
        yield case.finding(
            f"{NAME} keeps {case.hardware.gpu.name} GPUs from using NVLink",
            variable,
            help="remove it",
            fix=without_word(variable.word, f"remove {NAME}"),
        )
