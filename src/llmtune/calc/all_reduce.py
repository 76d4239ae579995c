"""Up to which size the ranks of a group sum a message in one kernel, each reading all others.

Larger ones take a kernel of two stages, symmetric memory or NCCL. On pairs, and without NVLink, there is nothing to
tell apart.
Source: vLLM csrc/custom_all_reduce.cuh::CustomAllreduce.allreduce, the same in 0.6.0 and 0.33.0; where norms are part
of it compilation/passes/fusion/allreduce_rms_fusion.py, in FlashInfer's kernels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.calc.switches import table

if TYPE_CHECKING:
    from llmtune.calc.shares import Site

STAGES = {4: 512 * 1024, 8: 256 * 1024}  # ranks at most: bytes


def one_kernel_bytes(site: Site) -> int:
    """Bytes of a message from which on it is not summed in one kernel."""
    ranks, gpu = site.resolved.tensor_parallel, site.hardware.gpu
    if site.resolved.fuses_norms:
        return table(site.engine, "speed.fused_norm_bytes").get(f"{gpu.capability}/{ranks}", 0)
    return next((size for most, size in STAGES.items() if ranks <= most), 0)
