"""The attention kernels of this GPU do not read an 8-bit KV cache.

Which kernel runs depends on model and GPU. FlashInfer reads FP8 from Ampere on, Triton from Ada on only: "FP8 KV cache
is not supported by the Triton attention backend on A100 (compute capability 8.0)", which meets models with latent
attention, attention sinks (gpt-oss) or images that see both ways (Gemma 3); other pairs find no backend at all (vLLM
0.33.0, v1/attention/backends/triton_attn.py, platforms/cuda.py).

Example:
    ```sh gpu=a100-sxm-80gb
    vllm serve google/gemma-3-12b-it --max-model-len 8192 --max-num-seqs 16 --kv-cache-dtype fp8 --host 127.0.0.1
    ```

Use instead:
    ```sh gpu=a100-sxm-80gb
    vllm serve google/gemma-3-12b-it --max-model-len 8192 --max-num-seqs 16 --host 127.0.0.1
    ```
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.calc.mending import without
from llmtune.calc.trials import memory_with

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llmtune.calc.case import Case
    from llmtune.spec.finding import Finding

SEVERITY = "error"
NEEDS = ("memory",)
FLAG = "kv-cache-dtype"
KERNELS = frozenset({"invalid", "kernel"})


def check(case: Case) -> Iterator[Finding]:
    """A refusal of the kernels that the 16-bit cache does not meet."""
    asked = case.settings.text(FLAG)
    if asked is None or not asked.startswith("fp8") or not refused_by_kernels(case):
        return
    memory = case.memory
    said = memory.failure.engine_message.split(" Re-run")[0] if memory is not None and memory.failure else ""
    gpu = case.hardware.gpu.name if case.hardware is not None else "this GPU"
    yield case.finding(
        f"no attention kernel for this model on {gpu} reads an {asked} KV cache",
        case.setting(FLAG),
        note=said.split(";")[0].rstrip("."),
        help="remove --kv-cache-dtype",
        fix=without(case.setting(FLAG)),
    )


def refused_by_kernels(case: Case) -> bool:
    """Whether the KV cache that is asked for, and nothing else, is what the kernels refuse."""
    memory = case.memory
    if memory is None or memory.failure is None or memory.failure.check or memory.failure.kind not in KERNELS:
        return False
    plain = memory_with(case, {FLAG: None})
    return plain is not None and (plain.failure is None or plain.failure.kind not in KERNELS)
