"""Tensor parallelism over PCIe waits for the bus.

Every layer of every token ends in an all-reduce over all GPUs of the split. NVLink carries it in microseconds; over
PCIe more than two GPUs spend much of the time waiting, and often answer more slowly than one. Replicas
(`--data-parallel-size`) exchange nothing for a dense model, and pipeline stages little. Nothing is said for two GPUs,
nor where the model needs the split (vLLM documentation, Parallelism and Scaling).

Example:
    ```sh gpu=l40s gpus=4
    vllm serve Qwen/Qwen3-8B --max-model-len 8192 --max-num-seqs 16 --tensor-parallel-size 4 --host 127.0.0.1
    ```

Use instead:
    ```sh gpu=l40s gpus=4
    vllm serve Qwen/Qwen3-8B --max-model-len 8192 --max-num-seqs 16 --data-parallel-size 4 --host 127.0.0.1
    ```
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.calc.layouts import SLOW_LINK_TENSOR
from llmtune.calc.trials import memory_with

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llmtune.calc.case import Case
    from llmtune.spec.finding import Finding

SEVERITY = "warning"
CONFIDENCE = "likely"
NEEDS = ("memory",)
FLAG = "tensor-parallel-size"
REPLICAS = "data-parallel-size"


def check(case: Case) -> Iterator[Finding]:
    """A wide split without NVLink, where a narrow one with replicas holds all requests.

    Odd numbers are a note: two GPUs would leave one idle, and one GPU answers more slowly.
    """
    hardware, resolved = case.hardware, case.resolved
    if hardware is None or resolved is None or case.memory is None or case.memory.failure is not None:
        return
    gpu, size = hardware.gpu, resolved.tensor_parallel
    if gpu.nvlink_bandwidth is not None or gpu.pcie_bandwidth is None or size <= SLOW_LINK_TENSOR:
        return
    if resolved.pipeline_parallel > 1 or REPLICAS not in case.engine.options:
        return
    for narrow in (1, SLOW_LINK_TENSOR):
        replicas = resolved.data_parallel * size // narrow
        memory = memory_with(case, {FLAG: narrow, REPLICAS: replicas})
        if size % narrow or memory is None or memory.verdict != "yes" or memory.kv is None:
            continue
        surely = memory.kv_low / max(1, memory.part("KV cache").bytes)  # of what is expected to fit
        holds_all = surely * memory.kv.max_concurrency * replicas >= resolved.max_num_seqs * resolved.data_parallel
        yield case.finding(
            f"{size} GPUs without NVLink wait for each other in every layer",
            case.setting(FLAG),
            note=f"{narrow} of {gpu.name} {'hold' if narrow > 1 else 'holds'} the model",
            help=f"--tensor-parallel-size {narrow} --data-parallel-size {replicas}",
            severity="" if holds_all and size % SLOW_LINK_TENSOR == 0 else "info",
        )
        return
