"""``--quantization fp8_per_tensor`` and its kin: a 16-bit checkpoint quantised while it is loaded.

Formats are those after loading; while a layer loads it exists in 16 bits too.
Source: vLLM 0.33.0 config/quantization.py::_ONLINE_SHORTHANDS, layers/quantization/online/*.py
(process_weights_after_loading); model_loader/weight_utils.py::get_quant_config for "fp8"; 0.27.1
model_loader/bitsandbytes_loader.py for "bitsandbytes", the last release that had it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from llmtune.architectures.quantization.base import Quantization
from llmtune.architectures.quantization.formats import (
    FP8_CHANNEL,
    FP8_TENSOR,
    INT8_CHANNEL,
    MXFP4,
    MXFP8,
    NF4,
    UNQUANTIZED,
    WORD,
    fp8_block,
)
from llmtune.spec.weights import Format, Scale

if TYPE_CHECKING:
    from llmtune.architectures.quantization.base import Kind

_ONE_SCALE = replace(FP8_TENSOR, scale=Scale.NONE, scale_bytes=0, matrix_bytes=WORD)  # fused parts share it
_BLOCKS = replace(fp8_block((128, 128)), name="fp8-online-block")  # made from whole tensors: no shape rule
_NVFP4 = Format("nvfp4-online", 4, Scale.GROUP, 1, (1, 16), matrix_bytes=2 * WORD)  # one weight and input scale each

_METHODS: dict[str, tuple[Format, Format]] = {  # linear, experts
    "fp8": (_ONE_SCALE, _ONE_SCALE),
    "fp8_per_tensor": (_ONE_SCALE, _ONE_SCALE),
    "fp8_per_block": (_BLOCKS, _BLOCKS),
    "fp8_per_channel": (FP8_CHANNEL, FP8_CHANNEL),
    "mxfp8": (MXFP8, MXFP8),
    "mxfp4": (MXFP4, MXFP4),
    "int8_per_channel_weight_only": (UNQUANTIZED, INT8_CHANNEL),
    "experts_int8": (UNQUANTIZED, INT8_CHANNEL),
    "nvfp4_per_token": (UNQUANTIZED, _NVFP4),
    "bitsandbytes": (NF4, NF4),
}
METHODS = tuple(_METHODS)


def online(method: str) -> Quantization:
    """The quantisation that ``--quantization METHOD`` makes of a 16-bit checkpoint.

    Raises:
        ValueError: when the engine has no such online method.

    """
    if method not in _METHODS:
        raise ValueError(f"'{method}' does not quantise a 16-bit checkpoint; one of {', '.join(METHODS)} does")
    linear, experts = _METHODS[method]

    def resolve(_module: str, kind: Kind) -> Format:
        match kind:
            case "linear":
                return linear
            case "experts":
                return experts
            case _:
                return UNQUANTIZED

    return Quantization(method, resolve)
