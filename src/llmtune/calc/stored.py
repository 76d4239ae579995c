"""Bytes of the parameters that the engine creates for one module on one rank.

A module is described by its rank-local shape and its storage format: packed weights, scales, zero points, scalars,
bias. Shapes are those of creation, before any repacking after loading. What a format's kernels demand of a shape, and
how they pad it, stands in ``calc.stored_rules``.
Source: vLLM 0.33.0, ``create_weights`` of the methods in model_executor/layers/quantization.
"""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, assert_never

from llmtune.calc.stored_rules import check_experts, check_linear, pad_experts
from llmtune.spec.weights import Scale

if TYPE_CHECKING:
    from collections.abc import Sequence

    from llmtune.spec.weights import Experts, Format, Linear

FULL_WIDTH = 32  # bits of weights that are kept in fp32 (some routers); their bias is fp32 too
WORD_BITS = 32  # packed integers come in int32 words
SCALAR = 4  # bytes of an fp32 scalar


def linear_bytes(linear: Linear, *, inputs: int, outputs: Sequence[int]) -> int:
    """Bytes of a linear layer with ``inputs`` features and fused parts of ``outputs`` features on one rank.

    Raises:
        Refused: when the engine rejects this shape for this format.

    Example:
        Llama-3.1-8B's qkv_proj at tensor parallel 2 in int4 with groups of 128 (compressed-tensors w4a16):
        3072 x 4096 / 2 B weights + 3072 x 32 x 2 B scales + 16 B shape = 6,488,080 B.

    """
    check_linear(linear, inputs, outputs)
    bias = sum(outputs) * _bias_width(linear.format) if linear.bias or linear.format.bias else 0
    return matrix_bytes(linear.format, inputs, outputs) + bias


def experts_bytes(experts: Experts, *, count: int, intermediate: int, capability: tuple[int, int] | None) -> int:
    """Bytes of ``count`` stacked experts whose intermediate size on this rank is ``intermediate``.

    ``capability`` is the GPU's compute capability: it selects the kernels, and some pad what they are given. None
    stands for a GPU without one; nothing is padded then.

    Raises:
        Refused: when no kernel takes this shape.

    Example:
        Qwen3-30B-A3B-FP8 at tensor parallel 4: intermediate 192 is no multiple of the blocks of 128, so scales are
        refined to 64x64: 128 x (384 x 2048 + 2048 x 192 + (6 x 32 + 32 x 3) x 4) = 151,142,400 B.

    """
    check_experts(experts, intermediate, capability)
    form, hidden, intermediate = pad_experts(experts, intermediate, capability)
    up = [intermediate] * (2 if experts.gated else 1)
    one = matrix_bytes(form, hidden, up) + matrix_bytes(form, intermediate, [hidden])
    if experts.bias or form.bias:
        one += (sum(up) + hidden) * _bias_width(form)
    return count * one + _remote_scales(experts, count, capability)


def matrix_bytes(form: Format, inputs: int, outputs: Sequence[int]) -> int:
    """Bytes of one weight matrix with everything that is stored beside it, without bias."""
    rows = sum(outputs)
    weights = -(-rows * inputs * form.bits // 8)
    scales = _scales(form, inputs, outputs) * form.scale_bytes
    zeros = _groups(form, inputs) * -(-rows * form.zero_bits // WORD_BITS) * (WORD_BITS // 8)
    scalars = form.tensor_bytes * len(outputs) + form.matrix_bytes
    return weights + scales + zeros + scalars + form.index_bytes * inputs


def _scales(form: Format, inputs: int, outputs: Sequence[int]) -> int:
    """Number of scales of one matrix."""
    rows = sum(outputs)
    match form.scale:
        case Scale.NONE:
            return 0
        case Scale.TENSOR:
            return len(outputs)
        case Scale.CHANNEL | Scale.GROUP:
            return rows * _groups(form, inputs)
        case Scale.BLOCK:
            return prod(-(-size // block) for size, block in zip((rows, inputs), form.block, strict=True))
        case _:
            assert_never(form.scale)


def _groups(form: Format, inputs: int) -> int:
    """Groups that share a scale along the inputs; a row is one group when scales are per channel."""
    return inputs // form.block[1] if form.scale is Scale.GROUP else 1


def _bias_width(form: Format) -> int:
    return SCALAR if form.bits == FULL_WIDTH else 2


def _remote_scales(experts: Experts, count: int, capability: tuple[int, int] | None) -> int:
    """Input scales of the experts on other ranks, which FlashInfer's NVFP4 kernels want too.

    Source: vLLM 0.33.0 fused_moe/oracle/nvfp4.py::is_global_sf_supported_for_nvfp4_backend; those kernels start at
    compute capability 10.0.
    """
    if experts.format.name != "nvfp4" or capability is None or capability < (10, 0):
        return 0
    return (experts.count - count) * (3 if experts.gated else 2) * SCALAR
