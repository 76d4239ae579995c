"""`--disable-custom-all-reduce` without use, or with harm.

vLLM's own all-reduce joins the GPUs of a tensor parallel group. With one GPU there is nothing to join, and the flag
does nothing. With NVLink it is faster than NCCL for the small messages of decoding, and switching it off costs
latency; where it cannot work (PCIe, more than 8 GPUs) the engine leaves it out by itself (vLLM 0.33.0,
distributed/device_communicators/custom_all_reduce.py).

Example:
    ```sh
    vllm serve Qwen/Qwen3-8B --max-model-len 8192 --disable-custom-all-reduce --host 127.0.0.1
    ```

Use instead:
    ```sh
    vllm serve Qwen/Qwen3-8B --max-model-len 8192 --host 127.0.0.1
    ```
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.calc.mending import without

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llmtune.calc.case import Case
    from llmtune.spec.finding import Finding

SEVERITY = "info"
NEEDS = ("arguments",)
FLAG = "disable-custom-all-reduce"
SIZE = "tensor-parallel-size"


def check(case: Case) -> Iterator[Finding]:
    """One GPU, or GPUs with NVLink."""
    if not case.is_on(FLAG) or not case.in_sight(SIZE):
        return
    size = case.number(SIZE) or 1
    if size == 1:
        yield case.finding(
            "one GPU reduces nothing: --disable-custom-all-reduce has no effect",
            case.setting(FLAG),
            help="remove it",
            fix=without(case.setting(FLAG), safe=True),
        )
    elif case.hardware is not None and case.hardware.gpu.nvlink_bandwidth is not None:
        yield case.finding(
            f"{case.hardware.gpu.name} GPUs reduce faster with vLLM's own all-reduce than with NCCL",
            case.setting(FLAG),
            help="remove it, unless it was set against a crash",
            fix=without(case.setting(FLAG)),
        )
