"""Offloaded weights cross the PCIe bus at every step.

`--cpu-offload-gb` keeps that much of the weights on the host and reads them for every token that is generated. PCIe
moves 16 to 32 GB/s where the GPU's own memory moves 300 to 8000, so each offloaded GiB adds about 50 ms to a step
(vLLM 0.33.0, model_executor/offloader). A quantised checkpoint or a second GPU is nearly always faster. GPUs that
share a coherent link with the CPU (GH200) are not judged.

Example:
    ```sh
    vllm serve Qwen/Qwen3-8B --max-model-len 8192 --cpu-offload-gb 8 --host 127.0.0.1
    ```

Use instead:
    ```sh
    vllm serve Qwen/Qwen3-8B-FP8 --max-model-len 8192 --host 127.0.0.1
    ```
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llmtune.calc.case import Case
    from llmtune.spec.finding import Finding

SEVERITY = "warning"
CONFIDENCE = "likely"
FLAG = "cpu-offload-gb"
PCIE = 25.0  # GiB a second of PCIe 4 x16, where the GPU is not known


def check(case: Case) -> Iterator[Finding]:
    """Any amount, on a GPU that has memory of its own."""
    size = case.number(FLAG)
    gpu = case.hardware.gpu if case.hardware is not None else None
    if size is None or size <= 0 or (gpu is not None and (gpu.integrated or gpu.coherent)):
        return
    speed = gpu.pcie_bandwidth / 2**30 if gpu is not None and gpu.pcie_bandwidth else PCIE
    yield case.finding(
        f"{size:g} GiB of weights cross the PCIe bus at every step",
        case.setting(FLAG),
        note=f"about {1000 * size / speed:.0f} ms a step",
        help="serve a quantised checkpoint, or split the model over more GPUs",
    )
