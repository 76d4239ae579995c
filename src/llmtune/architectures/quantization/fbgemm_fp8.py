"""``fbgemm_fp8``: FP8 linear layers with one scale per channel and an upper bound for inputs.

Source: vLLM 0.33.0 layers/quantization/fbgemm_fp8.py (deprecated there: needs --allow-deprecated-quantization).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from llmtune.architectures.quantization.base import Quantization
from llmtune.architectures.quantization.formats import FP8_CHANNEL, UNQUANTIZED, WORD
from llmtune.architectures.quantization.names import is_skipped

if TYPE_CHECKING:
    from llmtune.architectures.quantization.base import Checkpoint, Kind
    from llmtune.spec.weights import Format

FORMAT = replace(FP8_CHANNEL, matrix_bytes=WORD)


def read(checkpoint: Checkpoint) -> Quantization:
    """Linear layers that the config does not except."""
    ignored = list(checkpoint.config.get("modules_to_not_convert") or ())

    def resolve(module: str, kind: Kind) -> Format:
        if kind != "linear" or is_skipped(module, ignored, checkpoint.names):
            return UNQUANTIZED
        return FORMAT

    return Quantization(checkpoint.method, resolve)
