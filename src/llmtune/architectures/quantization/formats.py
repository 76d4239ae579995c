"""The storage formats that quantised checkpoints have, as the engine allocates them.

Names matter: ``calc.stored_rules`` picks a kernel's shape rules by them. Scales are fp32 (4 B), the model's 16-bit
type (2 B) or an 8-bit float (1 B).
Source: vLLM 0.33.0, ``create_weights`` of each method in model_executor/layers/quantization.
"""

from __future__ import annotations

from dataclasses import replace

from llmtune.spec.weights import BF16, Format, Scale

WORD = 4  # an fp32 scalar
SHAPE = 16  # two int64: the unpacked shape that compressed-tensors stores beside packed weights
EXPERT_SHAPE = 4  # the same for each expert, as two numbers of the model's 16-bit type

FP8_TENSOR = Format("fp8-tensor", 8, Scale.TENSOR, WORD)
FP8_CHANNEL = Format("fp8-channel", 8, Scale.CHANNEL, WORD)
FP8_PB_WO = Format("fp8-pb-wo", 8, Scale.BLOCK, WORD, (128, 128))
INT8_CHANNEL = Format("int8-channel", 8, Scale.CHANNEL, WORD)
MXFP8 = Format("mxfp8", 8, Scale.GROUP, 1, (1, 32))
MXFP4 = Format("mxfp4", 4, Scale.GROUP, 1, (1, 32))
NF4 = Format("nf4", 4, Scale.GROUP, WORD, (1, 64))
UNQUANTIZED = BF16


def fp8_static(form: Format, *, experts: bool) -> Format:
    """With input scales: one per fused part of a linear layer, one for each matrix of an expert."""
    if experts:
        return replace(form, matrix_bytes=form.matrix_bytes + WORD)
    return replace(form, tensor_bytes=form.tensor_bytes + WORD)


def fp8_block(block: tuple[int, int], *, name: str = "fp8-block", scale_bytes: int = WORD) -> Format:
    """One scale for every block of outputs x inputs; ``scale_bytes`` is 1 for e8m0 scales."""
    return Format(name, 8, Scale.BLOCK, scale_bytes, block)


def nvfp4(group: int = 16, *, weight_only: bool = False, experts: bool = False) -> Format:
    """ModelOpt's NVFP4: e4m3 scales per group, an fp32 scale and an input scale per fused part.

    Weight-only linear layers create the input scale in the model's 16-bit type and drop it after loading.
    """
    name = "nvfp4-w4a16" if weight_only else "nvfp4"
    input_scale = WORD // 2 if weight_only and not experts else WORD
    return Format(name, 4, Scale.GROUP, 1, (1, group), tensor_bytes=WORD + input_scale)


def packed(bits: int, group: int, *, name: str, zero_bits: int = 0) -> Format:
    """Integers packed into 32-bit words; a ``group`` of -1 means one scale per output channel."""
    if group == -1:
        return Format(name, bits, Scale.CHANNEL, 2, zero_bits=zero_bits)
    return Format(name, bits, Scale.GROUP, 2, (1, group), zero_bits=zero_bits)
