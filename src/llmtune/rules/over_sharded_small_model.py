"""A model that one GPU holds is split over several.

Where one GPU holds the weights and the KV cache of all requests, splitting saves no memory that is needed: the GPUs
wait for each other in every layer, and as replicas (`--data-parallel-size`, or servers behind a load balancer) they
would answer more requests. A split is right where the single answer must be as fast as possible.

Example:
    ```sh gpu=h100-sxm gpus=4
    vllm serve Qwen/Qwen3-8B --max-model-len 8192 --max-num-seqs 32 --tensor-parallel-size 4 --host 127.0.0.1
    ```

Use instead:
    ```sh gpu=h100-sxm gpus=4
    vllm serve Qwen/Qwen3-8B --max-model-len 8192 --max-num-seqs 32 --data-parallel-size 4 --host 127.0.0.1
    ```
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.calc.layouts import SLOW_LINK_TENSOR
from llmtune.calc.trials import memory_with
from llmtune.calc.wording import gib

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llmtune.calc.case import Case
    from llmtune.spec.finding import Finding

SEVERITY = "info"
CONFIDENCE = "possible"
NEEDS = ("memory",)
FLAG = "tensor-parallel-size"
REPLICAS = "data-parallel-size"


def check(case: Case) -> Iterator[Finding]:
    """One GPU holds what the split serves; a wide split over PCIe is tp-over-pcie's."""
    hardware, resolved = case.hardware, case.resolved
    if hardware is None or resolved is None or case.memory is None or case.memory.failure is not None:
        return
    slow = hardware.gpu.nvlink_bandwidth is None and hardware.gpu.pcie_bandwidth is not None
    size = resolved.tensor_parallel
    if size == 1 or resolved.pipeline_parallel > 1 or (slow and size > SLOW_LINK_TENSOR):
        return
    replicas = size * resolved.data_parallel if REPLICAS in case.engine.options else None
    alone = memory_with(case, {FLAG: None, REPLICAS: replicas})
    if alone is None or alone.verdict != "yes" or alone.kv is None or not alone.kv.groups:
        return
    if alone.kv.max_concurrency < resolved.max_num_seqs:
        return
    weights = alone.part("weights").bytes
    yield case.finding(
        f"one {hardware.gpu.name} holds the model and the KV cache of {resolved.max_num_seqs} requests",
        case.setting(FLAG),
        note=f"{gib(weights)} of weights, {gib(alone.part('KV cache').bytes)} of KV cache",
        help="serve replicas instead (--data-parallel-size), unless the single answer must be faster",
    )
