"""Up to which size the ranks of a group sum a message in one kernel, each reading all others.

Larger ones take a kernel of two stages, symmetric memory or NCCL. ``calc.step_costs`` asks for more than two ranks on
NVLink only; pairs always take one stage.
Source: vLLM csrc/custom_all_reduce.cuh::CustomAllreduce.allreduce, which wheels do not have: read in the source tree of
2024, and kernel times of 0.24.0 jump at these sizes (``tools/read_kernel_tables.py``). Where norms are part of it:
compilation/passes/fusion/allreduce_rms_fusion.py, in FlashInfer's kernels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.calc.switches import table

if TYPE_CHECKING:
    from llmtune.calc.shares import Site

STAGES = {4: 512 * 1024, 8: 256 * 1024}  # ranks at most: bytes


def one_kernel_bytes(site: Site) -> int:
    """Bytes of a message from which on more than two ranks do not sum it in one kernel."""
    ranks, gpu = site.resolved.tensor_parallel, site.hardware.gpu
    if site.resolved.fuses_norms:
        return table(site.engine, "speed.fused_norm_bytes").get(f"{gpu.capability}/{ranks}", 0)
    return next((size for most, size in STAGES.items() if ranks <= most), 0)
