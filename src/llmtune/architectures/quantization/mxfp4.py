"""``gpt_oss_mxfp4`` and ``mxfp4``: experts in MXFP4, everything else in 16 bits.

Source: vLLM 0.33.0 layers/quantization/mxfp4.py::Mxfp4Config, GptOssMxfp4Config (both quantise RoutedExperts only).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.architectures.quantization.base import Quantization
from llmtune.architectures.quantization.formats import MXFP4, UNQUANTIZED

if TYPE_CHECKING:
    from llmtune.architectures.quantization.base import Checkpoint, Kind
    from llmtune.spec.weights import Format


def read(checkpoint: Checkpoint) -> Quantization:
    """Experts, whatever ``modules_to_not_convert`` says."""

    def resolve(_module: str, kind: Kind) -> Format:
        return MXFP4 if kind == "experts" else UNQUANTIZED

    return Quantization(checkpoint.method, resolve)
