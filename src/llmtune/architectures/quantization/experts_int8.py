"""``experts_int8``: experts in 8-bit integers with one scale per channel, quantised while loading.

Source: vLLM 0.33.0 layers/quantization/experts_int8.py, online/int8.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.architectures.quantization.base import Quantization
from llmtune.architectures.quantization.formats import INT8_CHANNEL, UNQUANTIZED

if TYPE_CHECKING:
    from llmtune.architectures.quantization.base import Checkpoint, Kind
    from llmtune.spec.weights import Format


def read(checkpoint: Checkpoint) -> Quantization:
    """Experts only."""

    def resolve(_module: str, kind: Kind) -> Format:
        return INT8_CHANNEL if kind == "experts" else UNQUANTIZED

    return Quantization(checkpoint.method, resolve)
