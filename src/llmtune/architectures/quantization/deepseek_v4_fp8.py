"""``deepseek_v4_fp8``: FP8 blocks with e8m0 scales, experts in MXFP4, NVFP4 or FP8.

Source: vLLM 0.33.0 models/deepseek_v41/quant_config.py::DeepseekV4FP8Config (also used for v4 on CUDA).
"""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from llmtune.architectures.quantization.base import Quantization
from llmtune.architectures.quantization.formats import MXFP4, MXFP8, UNQUANTIZED, fp8_block, nvfp4
from llmtune.architectures.quantization.fp8 import ATTENTION_BYTES
from llmtune.architectures.quantization.names import is_skipped

if TYPE_CHECKING:
    from llmtune.architectures.quantization.base import Checkpoint, Kind
    from llmtune.spec.weights import Format

_EXPERTS = re.compile(r"(?:^|\.)layers\.(\d+)\.ffn\.experts$")
_MX_BLOCK = (32, 32)


def read(checkpoint: Checkpoint) -> Quantization:
    """Which format linear layers and experts have, from ``expert_dtype`` and ``moe_quant_algo``."""
    config = checkpoint.config
    ignored = checkpoint.names.rename_all(config.get("ignored_layers") or config.get("modules_to_not_convert"))
    rows, columns = config.get("weight_block_size") or (128, 128)
    fp4_experts = (checkpoint.model.get("expert_dtype") or config.get("expert_dtype", "fp4")) == "fp4"

    def resolve(module: str, kind: Kind) -> Format:
        if kind in ("lm_head", "embedding") or is_skipped(module, ignored, checkpoint.names):
            return UNQUANTIZED
        if kind == "linear":
            if fp4_experts and (rows, columns) == _MX_BLOCK:
                return MXFP8
            return fp8_block((rows, columns), scale_bytes=1 if fp4_experts else 4)
        if not fp4_experts:
            return fp8_block((rows, columns))
        return nvfp4(experts=True) if _is_nvfp4(checkpoint, module) else MXFP4

    return Quantization(checkpoint.method, resolve, attention_bytes=ATTENTION_BYTES)


def _is_nvfp4(checkpoint: Checkpoint, module: str) -> bool:
    """Whether ModelOpt re-quantised this layer's experts (DeepseekV4FP8Config._is_nvfp4_expert_layer)."""
    if str(checkpoint.config.get("moe_quant_algo") or "").upper() != "NVFP4":
        return False
    ignored = checkpoint.config.get("ignore") or []
    match = _EXPERTS.search(module)
    if match is None or not ignored:
        return True
    layer = int(match.group(1))
    layers = int(checkpoint.model.get("num_hidden_layers") or 0)
    name = f"mtp.{layer - layers}" if layer >= layers else f"layers.{layer}"
    return not any(fnmatchcase(f"{name}.ffn.experts", str(pattern)) for pattern in ignored)
