"""Whether the all-reduce that ends a block also does the norm after it: FlashInfer's fused kernel, in compiled models.

Messages above a size by GPUs take two kernels; few steps that decode are so large, those with prompts hardly notice.
Source: vLLM 0.10.0 compilation/collective_fusion.py::AllReduceFusionPass, on request; by default 0.17.0 and 0.21.0
config/vllm.py::enable_allreduce_rms_fusion, whose FlashInfer comes with the wheel.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from llmtune.calc.switches import on, words

if TYPE_CHECKING:
    from llmtune.calc.batching import Basis

SIZES = frozenset({2, 4, 8})  # GPUs of a group
FULL = 2  # optimization level with fusions; the default
COMPILED = (3, "VLLM_COMPILE", "vllm_compile")  # compilation mode (level, up to 0.11.0) that runs passes; the default


def fuses_norms(basis: Basis, *, tensor: int, replicas: int, stages: int) -> bool:
    """Whether norms after an all-reduce are part of it."""
    settings, engine, gpu = basis.settings, basis.engine, basis.gpu
    level = settings.integer("optimization-level")
    if basis.runner == "v0" or gpu.vendor != "nvidia" or tensor not in SIZES or settings.flag("enforce-eager"):
        return False
    config = settings.mapping("compilation-config")
    mode = config.get("mode", config.get("level"))
    if mode is not None and mode not in COMPILED:
        return False
    passes = config.get("pass_config")
    if isinstance(passes, Mapping):
        asked = [passes[name] for name in words(engine, "speed.fused_norm_options") if passes.get(name) is not None]
        if asked:
            return bool(asked[0])
    alone = replicas == stages == 1 or on(engine, "speed.fused_norms_with_replicas")
    return gpu.capability in words(engine, "speed.fused_norm_chips") and alone and (level is None or level >= FULL)
