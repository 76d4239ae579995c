"""``auto_awq``: 4-bit integers in groups with zero points.

Source: vLLM 0.33.0 layers/quantization/auto_awq.py::AutoAWQConfig.get_quant_method. When the config names no modules
to leave alone, the engine asks the checkpoint's tensor list instead; without weights every linear layer counts as
quantised, so families mark routers as fixed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.architectures.quantization.base import Quantization
from llmtune.architectures.quantization.formats import UNQUANTIZED, packed
from llmtune.architectures.quantization.names import is_skipped

if TYPE_CHECKING:
    from llmtune.architectures.quantization.base import Checkpoint, Kind
    from llmtune.spec.weights import Format


def read(checkpoint: Checkpoint) -> Quantization:
    """Linear layers and experts; lm_head when the config says so."""
    config = checkpoint.config
    bits = int(config.get("w_bit") or config.get("bits") or 4)
    group = int(config.get("q_group_size") or config.get("group_size") or 128)
    ignored = checkpoint.names.rename_all(config.get("modules_to_not_convert"))
    form = packed(bits, group, name="awq", zero_bits=bits)

    def resolve(module: str, kind: Kind) -> Format:
        if kind == "embedding" or (kind == "lm_head" and not config.get("lm_head")):
            return UNQUANTIZED
        return UNQUANTIZED if is_skipped(module, ignored, checkpoint.names, exact=False) else form

    refusal = None if bits == 4 else f"Unsupported num_bits = {bits}. Supported: 4."  # noqa: PLR2004 - TYPE_MAP
    return Quantization(checkpoint.method, resolve, refusal=refusal)
