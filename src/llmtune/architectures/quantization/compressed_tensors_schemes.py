"""The schemes of compressed-tensors: what a config group's numbers mean for the stored weights.

Source: vLLM 0.33.0 layers/quantization/compressed_tensors/compressed_tensors.py::_get_scheme_from_parts,
schemes/*.py and compressed_tensors_moe/*.py (``create_weights``).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from llmtune.architectures.config import ConfigError
from llmtune.architectures.quantization.formats import (
    EXPERT_SHAPE,
    FP8_CHANNEL,
    FP8_TENSOR,
    INT8_CHANNEL,
    MXFP4,
    MXFP8,
    SHAPE,
    WORD,
    fp8_block,
    fp8_static,
    nvfp4,
    packed,
)
from llmtune.spec.record import dataclass
from llmtune.spec.weights import Format, Scale

if TYPE_CHECKING:
    from collections.abc import Mapping

INT8_TENSOR = Format("int8-tensor", 8, Scale.TENSOR, WORD)


@dataclass(frozen=True, slots=True)
class Scheme:
    """A config group: weights (bits, float or int, strategy), inputs and the way they are packed.

    ``block`` is (outputs, inputs) of the strategy "block"; ``inputs`` is "none", "static", "dynamic" or "asymmetric"
    (static with a zero point); ``input_float`` tells FP8 from INT8 activations.
    """

    bits: int
    float: bool
    strategy: str
    group: int
    block: tuple[int, int]
    symmetric: bool
    inputs: str
    input_float: bool
    packing: str

    @classmethod
    def read(cls, group: Mapping[str, Any], packing: str) -> Scheme:
        """A scheme from a config group; ``packing`` is the config's format, which a group may override."""
        weights: Mapping[str, Any] = group.get("weights") or {}
        inputs: Mapping[str, Any] = group.get("input_activations") or {}
        block = weights.get("block_structure") or (128, 128)
        size = weights.get("group_size")
        return cls(
            bits=int(weights.get("num_bits") or 8),
            float=weights.get("type", "int") == "float",
            strategy=str(weights.get("strategy") or ("tensor" if size is None else "group")),
            group=-1 if size is None else int(size),
            block=(int(block[0]), int(block[1])),
            symmetric=bool(weights.get("symmetric", True)),
            inputs=_inputs(inputs),
            input_float=inputs.get("type") == "float",
            packing=str(group.get("format") or packing),
        )


def linear_format(scheme: Scheme) -> Format:  # noqa: PLR0911 - one return per scheme
    """Format of a linear layer.

    Raises:
        ConfigError: for a combination that the engine has no scheme for.

    """
    match scheme:
        case Scheme(bits=4, float=True, strategy="tensor_group"):
            scalars = WORD if scheme.inputs == "none" else 2 * WORD
            return replace(nvfp4(scheme.group), name="nvfp4-ct", tensor_bytes=scalars)
        case Scheme(bits=4, float=True, strategy="group", group=32):
            return replace(MXFP4, name="mxfp4-ct")
        case Scheme(bits=8, float=True, strategy="group", group=32):
            return replace(MXFP8, name="mxfp8-ct")
        case Scheme(float=False, packing="pack-quantized"):
            return replace(_packed(scheme), matrix_bytes=SHAPE)
        case Scheme(bits=4, float=False, packing="int-quantized", inputs="dynamic", input_float=False):
            return replace(_packed(scheme), name="int8-w4a8", bits=8)  # unpacked: a byte for every weight
        case Scheme(bits=8, float=True):
            form = _fp8(scheme)
            return fp8_static(form, experts=False) if scheme.inputs == "static" else form
        case Scheme(bits=8, float=False, inputs=inputs) if inputs != "none":
            form = INT8_TENSOR if scheme.strategy == "tensor" else INT8_CHANNEL
            return replace(form, matrix_bytes={"static": WORD, "asymmetric": WORD + 1}.get(inputs, 0))
        case _:
            raise ConfigError(_unknown(scheme))


def experts_format(scheme: Scheme) -> Format:  # noqa: PLR0911 - one return per scheme
    """Format of stacked experts.

    Raises:
        ConfigError: for a combination that the engine has no experts for.

    """
    match scheme:
        case Scheme(bits=4, float=True, strategy="tensor_group"):
            return replace(nvfp4(scheme.group), name="nvfp4-ct", tensor_bytes=2 * WORD)
        case Scheme(bits=4, float=True, strategy="group", group=32, inputs="dynamic", input_float=True):
            return MXFP4
        case Scheme(bits=4, float=True, strategy="group", group=32):
            return replace(MXFP4, name="mxfp4-ct")
        case Scheme(bits=8, float=True, strategy="group", group=32):
            return replace(MXFP8, name="mxfp8-ct")
        case Scheme(float=False, packing="pack-quantized", inputs="none"):
            return replace(_packed(scheme), matrix_bytes=EXPERT_SHAPE)
        case Scheme(bits=4, float=False, packing="pack-quantized", inputs="dynamic", input_float=True):
            return replace(_packed(scheme), name="int-ct-w4a8", matrix_bytes=EXPERT_SHAPE)
        case Scheme(bits=8, float=True, inputs=inputs) if inputs != "none":
            form = _fp8(scheme)
            return fp8_static(form, experts=True) if inputs == "static" else form
        case Scheme(bits=8, float=False, strategy="channel", inputs="dynamic"):
            return INT8_CHANNEL
        case _:
            raise ConfigError(_unknown(scheme))


def _inputs(inputs: Mapping[str, Any]) -> str:
    if not inputs:
        return "none"
    if inputs.get("dynamic"):
        return "dynamic"
    return "static" if inputs.get("symmetric", True) else "asymmetric"


def _packed(scheme: Scheme) -> Format:
    group = scheme.group if scheme.strategy == "group" else -1
    return packed(scheme.bits, group, name="int-ct", zero_bits=0 if scheme.symmetric else scheme.bits)


def _fp8(scheme: Scheme) -> Format:
    match scheme.strategy:
        case "block":
            return fp8_block(scheme.block, name="fp8-block-ct")
        case "channel":
            return FP8_CHANNEL
        case _:
            return FP8_TENSOR


def _unknown(scheme: Scheme) -> str:
    kind = "float" if scheme.float else "int"
    return (
        f"No compressed-tensors compatible scheme was found: {scheme.bits}-bit {kind} weights, {scheme.strategy}, "
        f"{scheme.inputs} inputs, format {scheme.packing}"
    )
