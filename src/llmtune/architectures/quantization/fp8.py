"""``fp8``: 8-bit float weights with one scale per tensor (static or dynamic activations) or per block.

Source: vLLM 0.33.0 layers/quantization/fp8.py::Fp8Config.from_config, get_quant_method.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.architectures.quantization.base import Quantization
from llmtune.architectures.quantization.formats import FP8_TENSOR, MXFP4, UNQUANTIZED, fp8_block, fp8_static
from llmtune.architectures.quantization.names import is_skipped

if TYPE_CHECKING:
    from llmtune.architectures.quantization.base import Checkpoint, Kind
    from llmtune.spec.weights import Format

ATTENTION_BYTES = 8  # q, k, v and prob scale in the model's 16-bit type (quantization/kv_cache.py)


def read(checkpoint: Checkpoint) -> Quantization:
    """Linear layers and experts in FP8; embedding and lm_head stay as they are."""
    config = checkpoint.config
    ignored = checkpoint.names.rename_all(config.get("ignored_layers") or config.get("modules_to_not_convert"))

    def resolve(module: str, kind: Kind) -> Format:
        if kind in ("lm_head", "embedding") or is_skipped(module, ignored, checkpoint.names):
            return UNQUANTIZED
        if kind == "experts" and config.get("store_dtype") == "mxfp4":
            return MXFP4
        return _format(checkpoint, experts=kind == "experts")

    return Quantization(checkpoint.method, resolve, attention_bytes=ATTENTION_BYTES)


def _format(checkpoint: Checkpoint, *, experts: bool) -> Format:
    block = checkpoint.config.get("weight_block_size")
    if block:
        return fp8_block((block[0], block[1]))
    if checkpoint.config.get("activation_scheme") == "static":
        return fp8_static(FP8_TENSOR, experts=experts)
    return FP8_TENSOR
