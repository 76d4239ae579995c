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
MARLIN_GROUPS = (32, 64, 128)  # the same function; channels need no group
W4A8_TILE = 256  # compressed_tensors_moe_w4a8_fp8.py::create_weights
HOPPER = (9, 0)
BLACKWELL = 10  # major version of the data-centre boards, where TRT-LLM kernels run
SIXTEEN_BITS = 16
NATIVE_FP8 = (8, 9)  # below it Triton's FP8 experts, which take any block, do not run


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
    elif name == "mxfp4" and inputs % form.block[1]:
        # online/mxfp4.py::Mxfp4OnlineLinearMethod.create_weights
        raise Refused("invalid", f"MXFP4 requires input_size_per_partition ({inputs}) to be divisible by 32.")
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


def check_experts(experts: Experts, intermediate: int, capability: tuple[int, int] | None) -> None:
    """Refuse experts whose rank-local intermediate size no kernel takes.

    Raises:
        Refused: with the engine's message.

    """
    form = experts.format
    block_n, block_k = form.block
    hidden = experts.hidden
    match form.name:
        case "fp8-block-ct" if intermediate % block_n:
            raise Refused("invalid", _uneven_blocks(intermediate, block_n))
        case "int-ct" if form.scale is Scale.GROUP and intermediate % block_k:
            raise Refused("invalid", _uneven_groups(intermediate, block_k))
        case "int-ct" if form.scale is Scale.CHANNEL and capability == HOPPER:
            # compressed_tensors_moe_wna16.py::__init__: Humming, which Hopper prefers, is not asked about channels
            raise Refused("kernel", 'AssertionError: assert weight_quant.strategy == "group"')
        case "int-ct-w4a8" if intermediate % W4A8_TILE:
            message = f"intermediate_size_per_partition={intermediate} must be divisible by {W4A8_TILE}"
            raise Refused("invalid", f"AssertionError: {message}")
        case "mxfp8" if hidden % block_k:
            # modelopt.py::ModelOptMxFp8FusedMoE.create_weights
            raise Refused("invalid", f"MXFP8 MoE requires hidden_size divisible by {block_k}, got {hidden}.")
        case "mxfp8" if intermediate % block_k:
            message = f"MXFP8 MoE requires intermediate_size_per_partition divisible by {block_k}, got {intermediate}."
            raise Refused("invalid", message)
        case _:
            return


def _uneven_blocks(intermediate: int, block: int) -> str:
    """fp8_utils.py::validate_fp8_block_shape_moe."""
    return (
        f"The output_size of gate's and up's weight = {intermediate} is not divisible by "
        f"weight quantization block_n = {block}."
    )


def _uneven_groups(intermediate: int, group: int) -> str:
    """compressed_tensors_moe_wna16.py::create_weights."""
    return (
        "CompressedTensors WNA16 MoE with static group scales requires the MoE intermediate size per tensor-parallel "
        f"partition ({intermediate}) to be divisible by group_size ({group}). Scale groups would otherwise cross TP "
        "shard boundaries; use a compatible TP size or enable expert parallelism."
    )


def pad_experts(experts: Experts, intermediate: int, capability: tuple[int, int] | None) -> tuple[Format, int, int]:
    """Format, hidden size and intermediate size of the experts as they are allocated.

    Raises:
        Refused: when scales cannot be cut fine enough for this rank's share.

    """
    form = experts.format
    hidden = experts.hidden
    if form.bits == SIXTEEN_BITS and capability is not None and capability[0] == BLACKWELL:
        # oracle/unquantized.py::unquantized_round_up_hidden_size_and_intermediate_size with FlashInfer TRT-LLM
        return form, hidden, _round_up(intermediate, 128)
    match form.name:
        case "fp8-block" if intermediate % form.block[0]:
            return _refined(form, hidden, intermediate, capability), hidden, intermediate
        case "gptq" | "awq" if form.scale is Scale.GROUP:
            return _integer_experts(form, hidden, intermediate), hidden, intermediate
        case "fp8-online-block":
            # online/fp8.py::Fp8PerBlockOnlineMoEMethod.maybe_roundup_sizes
            return form, _round_up(hidden, form.block[0]), _round_up(intermediate, form.block[0])
        case "mxfp4" | "mxfp4-quark" if capability is not None:
            # oracle/mxfp4.py::mxfp4_round_up_hidden_size_and_intermediate_size: Hopper runs Triton or Humming
            # (Quark: FlashInfer CUTLASS), others TRT-LLM or Marlin; tiles are (hidden, intermediate)
            hopper = (1, 64) if form.name == "mxfp4" else (128, 128)
            tiles = hopper if capability == HOPPER else (256, 128)
            return form, _round_up(hidden, tiles[0]), _round_up(intermediate, tiles[1])
        case _:
            return form, hidden, intermediate


def _refined(form: Format, hidden: int, intermediate: int, capability: tuple[int, int] | None) -> Format:
    """FP8 blocks refined so that ranks hold whole ones.

    Source: fused_moe/oracle/fp8.py::refine_fp8_moe_block_shape, select_fp8_moe_backend.
    """
    finest = gcd(*form.block, intermediate, hidden)
    if finest < FINEST_BLOCK:
        raise Refused("invalid", _uneven_blocks(intermediate, form.block[0]))
    if capability is not None and capability < NATIVE_FP8:
        raise Refused("kernel", "No FP8 MoE backend supports the deployment configuration.")
    return replace(form, block=(finest, finest))


def _integer_experts(form: Format, hidden: int, intermediate: int) -> Format:
    """GPTQ and AWQ experts: as Marlin wants them, else with halved groups for the WNA16 kernels.

    Source: auto_gptq.py::get_quant_method, moe_wna16.py::MoeWNA16Method.create_weights (no zero points and no bias
    for GPTQ there).
    """
    group = form.block[1]
    if not hidden % MARLIN_HIDDEN and not intermediate % group and group in MARLIN_GROUPS:
        return form
    while intermediate % group or hidden % group:
        group //= 2
        if group < FINEST_BLOCK:
            raise Refused("invalid", "AssertionError: assert group_size >= 32")
    return replace(form, block=(1, group), zero_bits=form.zero_bits if form.name == "awq" else 0, bias=False)


def _round_up(size: int, multiple: int) -> int:
    return -(-size // multiple) * multiple
