"""What the engine's kernels demand of quantised shapes, and how they pad experts when they create them.

Every rule is one of the engine's checks with the engine's words. Formats are recognised by their names, which
``architectures.quantization.formats`` gives.
Source: vLLM 0.33.0, the functions named at each rule.
"""

from __future__ import annotations

from dataclasses import replace
from math import gcd
from typing import TYPE_CHECKING

from llmtune.calc.errors import Refused
from llmtune.spec.weights import Scale

if TYPE_CHECKING:
    from collections.abc import Sequence

    from llmtune.spec.weights import Experts, Format, Linear

FINEST_BLOCK = 32  # oracle/fp8.py::refine_fp8_moe_block_shape refines no further
MARLIN_HIDDEN = 128  # marlin_utils.py::check_moe_marlin_supports_config
MARLIN_GROUPS = (-1, 32, 64, 128)  # marlin_utils.py::MARLIN_SUPPORTED_GROUP_SIZES


def check_linear(linear: Linear, inputs: int, outputs: Sequence[int]) -> None:
    """Refuse a linear layer's rank-local shape as the engine does.

    Raises:
        Refused: with the engine's message.

    """
    form = linear.format
    name = form.name
    if name.startswith("fp8-block"):
        _check_blocks(linear, inputs, outputs)
    elif name == "fp8-pb-wo" and inputs % form.block[1]:
        # modelopt.py::KFp8Block128.create_weights
        raise Refused("invalid", f"FP8_PB_WO requires in divisible by 128, got {inputs}")
    elif name in ("nvfp4", "nvfp4-w4a16") and inputs % form.block[1]:
        # modelopt.py::KNvfp4Static.create_weights
        raise Refused("invalid", "Unsupported model when in features size is not multiple of 16")
    elif name == "mxfp8" and inputs % form.block[1]:
        # modelopt.py::KMxfp8Static.create_weights
        raise Refused("invalid", f"MXFP8 requires input size divisible by 32, got {inputs}")
    elif form.scale is Scale.GROUP and inputs % form.block[1]:
        raise Refused("invalid", _group_message(form, inputs))


def _check_blocks(linear: Linear, inputs: int, outputs: Sequence[int]) -> None:
    """Whole blocks in every part (quantization/utils/fp8_utils.py::validate_fp8_block_shape).

    ``ColumnParallelLinear`` lets fused layers through whose parts are no whole blocks
    (linear.py::_maybe_allow_fp8_block_shape_mismatch), except under compressed-tensors, whose config has no block
    size to look at.
    """
    block_n, block_k = linear.format.block
    if inputs != linear.inputs and inputs % block_k:
        message = f"Weight input_size_per_partition = {inputs} is not divisible by weight quantization block_k = "
        raise Refused("invalid", f"{message}{block_k}.")
    split = sum(outputs) != linear.size
    lenient = linear.format.name != "fp8-block-ct"
    if not split and len(outputs) == 1:
        return
    checked = outputs if split else outputs[:-1]
    odd = [size for size in checked if size % block_n]
    if odd and not (lenient and len(outputs) > 1):
        message = f"Weight output_partition_size = {odd[0]} is not divisible by weight quantization block_n = "
        raise Refused("invalid", f"{message}{block_n}.")


def _group_message(form: Format, inputs: int) -> str:
    """Why a group may not straddle ranks.

    auto_awq.py::AutoAWQLinearMethod.create_weights; distributed/utils.py::verify_group_size_divides_partition;
    kernels/linear/mixed_precision/marlin.py::can_implement.
    """
    group = form.block[1]
    if form.name.startswith("awq"):
        return (
            "The input size is not aligned with the quantized weight shape. "
            "This can be caused by too large tensor parallel size."
        )
    if form.name.startswith("gptq"):
        return (
            "Failed to find a kernel that can implement the WNA16 linear layer. Reasons: "
            f"in_features per partition {inputs} is not divisible by group_size = {group}."
        )
    return (
        f"Weight input_size_per_partition={inputs} is not divisible by group_size={group}. This happens when "
        "tensor_parallel_size splits the layer input into shards that are not a whole number of quant groups. "
        "Consider reducing tensor_parallel_size."
    )


def check_experts(experts: Experts, intermediate: int) -> None:
    """Refuse experts whose rank-local intermediate size no kernel takes.

    Raises:
        Refused: with the engine's message.

    """
    form = experts.format
    block_n, block_k = form.block
    hidden = experts.hidden
    if form.name == "fp8-block-ct" and intermediate % block_n:
        # fp8_utils.py::validate_fp8_block_shape_moe
        message = f"The output_size of gate's and up's weight = {intermediate} is not divisible by weight quantization"
        raise Refused("invalid", f"{message} block_n = {block_n}.")
    if form.name == "int-ct" and form.scale is Scale.GROUP and intermediate % block_k:
        # compressed_tensors_moe_wna16.py::create_weights
        message = (
            "CompressedTensors WNA16 MoE with static group scales requires the MoE intermediate size per "
            f"tensor-parallel partition ({intermediate}) to be divisible by group_size ({block_k}). Scale groups "
            "would otherwise cross TP shard boundaries; use a compatible TP size or enable expert parallelism."
        )
        raise Refused("invalid", message)
    if form.name == "mxfp8" and (hidden % block_k or intermediate % block_k):
        # modelopt.py::ModelOptMxFp8FusedMoE.create_weights
        what, size = ("hidden_size", hidden) if hidden % block_k else ("intermediate_size_per_partition", intermediate)
        raise Refused("invalid", f"MXFP8 MoE requires {what} divisible by {block_k}, got {size}.")


def pad_experts(
    experts: Experts, intermediate: int, capability: tuple[int, int] | None
) -> tuple[Format, int, int]:
    """Format, hidden size and intermediate size of the experts as they are allocated.

    Raises:
        Refused: when FP8 blocks cannot be cut fine enough for this rank's share.

    """
    form = experts.format
    hidden = experts.hidden
    if form.name == "fp8-block" and intermediate % form.block[0]:
        return replace(form, block=_refined(form, hidden, intermediate)), hidden, intermediate
    if form.name in ("mxfp4", "mxfp4-gpt-oss") and capability is not None:
        hidden_to, intermediate_to = _mxfp4_tiles(form.name, capability)
        return form, _round_up(hidden, hidden_to), _round_up(intermediate, intermediate_to)
    return form, hidden, intermediate


def _refined(form: Format, hidden: int, intermediate: int) -> tuple[int, int]:
    """Block size to which scales are refined so that ranks hold whole blocks.

    Source: fused_moe/oracle/fp8.py::refine_fp8_moe_block_shape and select_fp8_moe_backend.
    """
    finest = gcd(*form.block, intermediate, hidden)
    if finest < FINEST_BLOCK:
        message = f"The output_size of gate's and up's weight = {intermediate} is not divisible by weight quantization"
        raise Refused("invalid", f"{message} block_n = {form.block[0]}.")
    if finest < 2 * FINEST_BLOCK:
        raise Refused("kernel", "No FP8 MoE backend supports the deployment configuration.")
    return finest, finest


def _mxfp4_tiles(name: str, capability: tuple[int, int]) -> tuple[int, int]:
    """Multiples to which hidden and intermediate size are rounded up.

    Source: fused_moe/oracle/mxfp4.py::mxfp4_round_up_hidden_size_and_intermediate_size with the backend that
    select_mxfp4_moe_backend prefers on this GPU.
    """
    if name == "mxfp4-gpt-oss" and capability[0] == 9:  # noqa: PLR2004 - Hopper: Triton
        return 1, 64
    return 256, 128


def _round_up(size: int, multiple: int) -> int:
    return -(-size // multiple) * multiple
