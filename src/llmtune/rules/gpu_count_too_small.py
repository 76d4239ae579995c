"""The server needs more GPUs than it is given.

A replica takes `--tensor-parallel-size` x `--pipeline-parallel-size` GPUs of its node, and `--data-parallel-size` of
them stand side by side. When the container, the device list or `CUDA_VISIBLE_DEVICES` gives fewer, the engine stops:
"World size (4) is larger than the number of available GPUs (2) in this node", or a worker finds no device (vLLM
0.33.0, config/parallel.py). Servers that say they span nodes (Ray, `--nnodes`) are not judged by one node.

Example:
    ```sh
    CUDA_VISIBLE_DEVICES=0,1 vllm serve Qwen/Qwen3-32B --max-model-len 8192 -tp 4 --host 127.0.0.1
    ```

Use instead:
    ```sh
    CUDA_VISIBLE_DEVICES=0,1,2,3 vllm serve Qwen/Qwen3-32B --max-model-len 8192 -tp 4 --host 127.0.0.1
    ```
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.calc.devices import SIZES, given, ranks, starts_ray
from llmtune.calc.wording import count

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llmtune.calc.case import Case
    from llmtune.spec.deployment import Setting
    from llmtune.spec.finding import Finding

SEVERITY = "error"


def check(case: Case) -> Iterator[Finding]:
    """What the file gives, else what the hardware has."""
    needed, there = ranks(case), given(case)
    if needed is not None and there is not None and 0 < there.count < needed:
        yield case.finding(
            f"the server needs {count(needed, 'GPU')} and is given {there.count}",
            _largest(case) or there.span,
            note=_product(case),
            help="give it as many GPUs, or lower the parallel sizes",
        )
        return
    if case.resolved is None or case.hardware is None or starts_ray(case):
        return
    refused = next((item for item in case.refusals.values() if item.kind == "gpus"), None)
    if refused is not None:
        resolved = case.resolved
        replica = resolved.tensor_parallel * resolved.pipeline_parallel
        hardware, world = case.hardware, replica * resolved.data_parallel
        if hardware.nodes > 1 and replica > hardware.gpus_per_node and world <= hardware.gpus:
            message = f"one node has {count(hardware.gpus_per_node, 'GPU')}, and {replica} are needed together"
        else:
            message = f"the server needs {count(world, 'GPU')}, the hardware has {hardware.gpus}"
        yield case.finding(
            message,
            _largest(case),
            note=_product(case),
            help="give it as many GPUs, or lower the parallel sizes",
        )


def _largest(case: Case) -> Setting | None:
    """The size to look at."""
    sizes = [setting for flag in SIZES if (setting := case.setting(flag)) is not None and case.number(flag)]
    return max(sizes, key=lambda setting: case.number(setting.flag) or 0, default=None)


def _product(case: Case) -> str:
    """What is multiplied, where there is something to multiply."""
    names = {"tensor-parallel-size": "TP", "pipeline-parallel-size": "PP", "data-parallel-size": "DP"}
    parts = [f"{name} {int(size)}" for flag, name in names.items() if (size := case.number(flag)) and size > 1]
    return " x ".join(parts) if len(parts) > 1 else ""
