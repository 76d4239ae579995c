"""Bytes of one module on one rank, against the parameters that vLLM 0.33.0 created for real configs.

Every expected number is the sum over named_parameters of the module named beside it: built by the engine's own
classes on meta tensors for the model, tensor parallel size and board in the case's id.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from llmtune.architectures.quantization import formats, online
from llmtune.architectures.quantization.compressed_tensors_schemes import INT8_TENSOR
from llmtune.calc.errors import Refused
from llmtune.calc.stored import experts_bytes, linear_bytes
from llmtune.spec.weights import BF16, FP32, Experts, Format, Linear, Scale, Shard, Slice

H100, B200, A100 = (9, 0), (10, 0), (8, 0)
W4A16 = replace(formats.packed(4, 128, name="int-ct"), matrix_bytes=formats.SHAPE)
W4A16_ASYMMETRIC = replace(formats.packed(4, 32, name="int-ct", zero_bits=4), matrix_bytes=formats.SHAPE)
W8A16_CHANNEL = replace(formats.packed(8, -1, name="int-ct"), matrix_bytes=formats.SHAPE)
AWQ = formats.packed(4, 128, name="awq", zero_bits=4)
GPTQ8 = formats.packed(8, 128, name="gptq", zero_bits=8)
GPTQ_EXPERTS = replace(formats.packed(4, 128, name="gptq", zero_bits=4), bias=True)
STATIC = formats.fp8_static(formats.FP8_TENSOR, experts=False)
STATIC_EXPERTS = formats.fp8_static(formats.FP8_TENSOR, experts=True)
NVFP4_CT = replace(formats.nvfp4(), name="nvfp4-ct")
BLOCKS = formats.fp8_block((128, 128))


def linear(form: Format, inputs: int, outputs: list[int], *, bias: bool = False) -> Linear:
    parts = tuple(Slice(size) for size in outputs)
    return Linear("proj", inputs, parts, Shard.COLUMN, bias=bias, format=form)


@pytest.mark.parametrize(
    ("form", "inputs", "outputs", "bias", "expected"),
    [
        pytest.param(W4A16, 4096, [4096, 1024, 1024], False, 12_976_144, id="llama-8b-w4a16-tp1-qkv"),
        pytest.param(W4A16, 4096, [2048, 512, 512], False, 6_488_080, id="llama-8b-w4a16-tp2-qkv"),
        pytest.param(W4A16, 4096, [1024, 256, 256], False, 3_244_048, id="llama-8b-w4a16-tp4-qkv"),
        pytest.param(W4A16, 7168, [4096], False, 15_138_832, id="llama-8b-w4a16-tp2-down"),
        pytest.param(W4A16_ASYMMETRIC, 4096, [2048, 512, 512], False, 7_274_512, id="w4a16-asym-g32-tp2-qkv"),
        pytest.param(W8A16_CHANNEL, 2048, [4096], False, 8_396_816, id="w8a16-channel-tp2-o"),
        pytest.param(formats.INT8_CHANNEL, 4096, [2048, 512, 512], False, 12_595_200, id="llama-8b-w8a8-tp2-qkv"),
        pytest.param(
            replace(INT8_TENSOR, matrix_bytes=5), 4096, [2048, 512, 512], False, 12_582_929, id="int8-static-asym-tp2"
        ),
        pytest.param(STATIC, 4096, [2048, 512, 512], False, 12_582_936, id="llama-8b-fp8-tp2-qkv"),
        pytest.param(STATIC, 8192, [4096, 512, 512], False, 41_943_064, id="llama-70b-modelopt-fp8-tp2-qkv"),
        pytest.param(formats.FP8_CHANNEL, 4096, [2048, 512, 512], False, 12_595_200, id="llama-8b-fp8-dynamic-tp2"),
        pytest.param(formats.FP8_PB_WO, 4096, [2048, 512, 512], False, 12_585_984, id="modelopt-fp8-pb-wo-tp2"),
        pytest.param(BLOCKS, 2048, [1024, 128, 128], False, 2_622_080, id="qwen3-30b-fp8-tp4-qkv"),
        pytest.param(BLOCKS, 7168, [1536, 576], False, 15_142_624, id="deepseek-v3-fused-qkv-a"),
        pytest.param(
            formats.fp8_block((128, 128), scale_bytes=1), 4096, [1024, 512], False, 6_291_840, id="deepseek-v4-wqa-wkv"
        ),
        pytest.param(AWQ, 3584, [1792, 256, 256], True, 4_294_656, id="qwen2.5-7b-awq-tp2-qkv"),
        pytest.param(GPTQ8, 4736, [3584], False, 17_371_648, id="qwen2.5-7b-gptq-int8-tp4-down"),
        pytest.param(formats.nvfp4(), 4096, [2048, 128, 128], False, 5_308_440, id="qwen3-235b-nvfp4-tp4-qkv"),
        pytest.param(formats.nvfp4(weight_only=True), 2688, [1856], False, 2_806_278, id="nemotron-w4a16-nvfp4-tp2-up"),
        pytest.param(NVFP4_CT, 4096, [2048, 512, 512], False, 7_077_912, id="ct-nvfp4-tp2-qkv"),
        pytest.param(formats.MXFP8, 4096, [2048, 512, 512], False, 12_976_128, id="modelopt-mxfp8-tp2-qkv"),
        pytest.param(BF16, 3584, [1792, 256, 256], True, 2304 * 3584 * 2 + 2304 * 2, id="bf16-with-bias"),
        pytest.param(FP32, 2048, [128], False, 128 * 2048 * 4, id="fp32-router"),
    ],
)
def test_linear_bytes_equal_the_engines(
    form: Format, inputs: int, outputs: list[int], *, bias: bool, expected: int
) -> None:
    assert linear_bytes(linear(form, inputs, outputs, bias=bias), inputs=inputs, outputs=outputs) == expected


def experts(
    form: Format, count: int, hidden: int, intermediate: int, *, gated: bool = True, bias: bool = False
) -> Experts:
    return Experts("mlp.experts", count, hidden, intermediate, 8, gated=gated, bias=bias, format=form)


QWEN = (128, 2048, 768)  # experts, hidden and intermediate size of Qwen3-30B-A3B
GPT_OSS = experts(formats.MXFP4, 32, 2880, 2880, bias=True)


@pytest.mark.parametrize(
    ("module", "intermediate", "capability", "expected"),
    [
        pytest.param(experts(BLOCKS, *QWEN), 768, H100, 604_127_232, id="qwen3-30b-fp8-tp1"),
        pytest.param(experts(BLOCKS, *QWEN), 384, H100, 302_063_616, id="qwen3-30b-fp8-tp2"),
        pytest.param(experts(BLOCKS, *QWEN), 192, H100, 151_142_400, id="qwen3-30b-fp8-tp4-refined-64"),
        pytest.param(experts(BLOCKS, *QWEN), 96, H100, 75_792_384, id="qwen3-30b-fp8-tp8-refined-32"),
        pytest.param(experts(GPTQ_EXPERTS, *QWEN), 768, H100, 314_703_872, id="qwen3-30b-gptq-tp1"),
        pytest.param(experts(GPTQ_EXPERTS, *QWEN), 384, H100, 157_614_080, id="qwen3-30b-gptq-tp2"),
        pytest.param(experts(GPTQ_EXPERTS, *QWEN), 192, H100, 80_216_064, id="qwen3-30b-gptq-tp4-halved-groups"),
        pytest.param(experts(AWQ, *QWEN), 192, H100, 81_395_712, id="awq-tp4-halved-groups"),
        pytest.param(
            experts(formats.nvfp4(experts=True), 128, 4096, 1536), 384, H100, 339_741_696, id="qwen3-235b-nvfp4-tp4"
        ),
        pytest.param(
            experts(formats.nvfp4(weight_only=True, experts=True), 128, 2688, 1856, gated=False),
            928,
            H100,
            359_204_864,
            id="nemotron-w4a16-nvfp4-tp2",
        ),
        pytest.param(experts(NVFP4_CT, *QWEN), 384, H100, 169_872_384, id="ct-nvfp4-tp2"),
        pytest.param(experts(STATIC_EXPERTS, *QWEN), 384, H100, 301_992_448, id="fp8-static-tp2"),
        pytest.param(experts(formats.FP8_CHANNEL, *QWEN), 384, H100, 303_431_680, id="ct-fp8-channel-tp2"),
        pytest.param(experts(formats.INT8_CHANNEL, *QWEN), 384, H100, 303_431_680, id="ct-int8-tp2"),
        pytest.param(experts(formats.MXFP8, *QWEN), 384, H100, 311_427_072, id="modelopt-mxfp8-tp2"),
        pytest.param(
            experts(replace(W4A16_ASYMMETRIC, matrix_bytes=formats.EXPERT_SHAPE), *QWEN),
            192,
            H100,
            87_294_976,
            id="ct-w4a16-asym-g32-tp4",
        ),
        pytest.param(
            experts(replace(formats.MXFP4, name="mxfp4-ct"), *QWEN), 192, H100, 80_216_064, id="ct-mxfp4-tp4-unpadded"
        ),
        pytest.param(
            experts(replace(formats.MXFP4, name="mxfp4-quark"), *QWEN), 192, H100, 106_954_752, id="quark-mxfp4-tp4"
        ),
        pytest.param(GPT_OSS, 2880, H100, 423_567_360, id="gpt-oss-20b-tp1-h100"),
        pytest.param(GPT_OSS, 720, H100, 113_086_464, id="gpt-oss-20b-tp4-h100"),
        pytest.param(GPT_OSS, 2880, B200, 461_815_808, id="gpt-oss-20b-tp1-b200"),
        pytest.param(GPT_OSS, 720, B200, 120_619_008, id="gpt-oss-20b-tp4-b200"),
        pytest.param(GPT_OSS, 720, A100, 120_619_008, id="gpt-oss-20b-tp4-a100"),
        pytest.param(experts(formats.MXFP4, 256, 4096, 2048), 1024, H100, 1_711_276_032, id="deepseek-v4-flash-tp2"),
        pytest.param(experts(BF16, *QWEN), 192, B200, 402_653_184, id="qwen3-30b-bf16-tp4-b200-padded"),
        pytest.param(experts(BF16, *QWEN), 192, A100, 301_989_888, id="qwen3-30b-bf16-tp4-a100"),
    ],
)
def test_experts_bytes_equal_the_engines(
    module: Experts, intermediate: int, capability: tuple[int, int], expected: int
) -> None:
    got = experts_bytes(module, count=module.count, intermediate=intermediate, capability=capability)
    assert got == expected


@pytest.mark.parametrize(("capability", "expected"), [(H100, 169_870_848), (B200, 169_871_616)])
def test_nvfp4_on_blackwell_keeps_input_scales_of_experts_on_other_ranks(
    capability: tuple[int, int], expected: int
) -> None:
    module = experts(formats.nvfp4(experts=True), *QWEN)
    assert experts_bytes(module, count=64, intermediate=768, capability=capability) == expected


def test_an_unknown_gpu_pads_nothing() -> None:
    padded = experts_bytes(GPT_OSS, count=32, intermediate=720, capability=A100)
    assert experts_bytes(GPT_OSS, count=32, intermediate=720, capability=None) < padded


@pytest.mark.parametrize("method", ["fp8", "fp8_per_block", "fp8_per_channel", "mxfp8", "mxfp4"])
def test_online_quantisation_never_takes_more_than_half_of_16_bits_and_its_scales(method: str) -> None:
    form = online(method).format_of("model.layers.0.mlp.down_proj", "linear")
    stored = linear_bytes(linear(form, 4096, [4096]), inputs=4096, outputs=[4096])
    assert 4096 * 4096 // 2 < stored <= 4096 * 4096 * 33 // 32


class TestRefusals:
    def refusal(self, module: Linear, inputs: int, outputs: list[int]) -> str:
        with pytest.raises(Refused) as caught:
            linear_bytes(module, inputs=inputs, outputs=outputs)
        return caught.value.engine_message

    def expert_refusal(self, module: Experts, intermediate: int, capability: tuple[int, int] = H100) -> str:
        with pytest.raises(Refused) as caught:
            experts_bytes(module, count=module.count, intermediate=intermediate, capability=capability)
        return caught.value.engine_message

    def test_split_blocks_of_outputs(self) -> None:
        # Laguna-XS.2-FP8 at tensor parallel 8
        module = linear(formats.fp8_block((128, 128), name="fp8-block-ct"), 2048, [512, 512])
        assert self.refusal(module, 2048, [64, 64]) == (
            "Weight output_partition_size = 64 is not divisible by weight quantization block_n = 128."
        )

    def test_the_fp8_method_lets_fused_layers_with_split_blocks_through(self) -> None:
        module = linear(BLOCKS, 2048, [512, 512])
        assert linear_bytes(module, inputs=2048, outputs=[64, 64]) == 128 * 2048 + 16 * 4

    def test_split_blocks_of_inputs(self) -> None:
        module = Linear("down", 768, (Slice(2048),), Shard.ROW, format=BLOCKS)
        assert self.refusal(module, 192, [2048]) == (
            "Weight input_size_per_partition = 192 is not divisible by weight quantization block_k = 128."
        )

    def test_groups_across_ranks(self) -> None:
        down = Linear("down", 768, (Slice(2048),), Shard.ROW, format=W4A16)
        assert self.refusal(down, 192, [2048]).startswith(
            "Weight input_size_per_partition=192 is not divisible by group_size=128."
        )
        assert self.refusal(replace(down, format=AWQ), 192, [2048]).startswith("The input size is not aligned")
        assert self.refusal(replace(down, format=GPTQ8), 192, [2048]).startswith("Failed to find a kernel")

    def test_odd_inputs_of_four_and_eight_bit_floats(self) -> None:
        assert "not multiple of 16" in self.refusal(linear(formats.nvfp4(), 200, [64]), 200, [64])
        assert "divisible by 32, got 48" in self.refusal(linear(formats.MXFP8, 48, [64]), 48, [64])
        assert "(48) to be divisible by 32" in self.refusal(linear(formats.MXFP4, 48, [64]), 48, [64])
        assert "in divisible by 128, got 192" in self.refusal(linear(formats.FP8_PB_WO, 192, [64]), 192, [64])

    def test_refined_fp8_blocks_need_native_fp8(self) -> None:
        # Qwen3-30B-A3B-FP8 at tensor parallel 8 starts on H100 and not on A100
        assert self.expert_refusal(experts(BLOCKS, *QWEN), 96, A100) == (
            "No FP8 MoE backend supports the deployment configuration."
        )

    def test_blocks_that_cannot_be_refined(self) -> None:
        message = self.expert_refusal(experts(BLOCKS, *QWEN), 48)
        assert message.startswith("The output_size of gate's and up's weight = 48 is not divisible")

    def test_compressed_tensors_experts_do_not_refine(self) -> None:
        form = formats.fp8_block((128, 128), name="fp8-block-ct")
        assert "= 192 is not divisible" in self.expert_refusal(experts(form, *QWEN), 192)

    def test_integer_experts_whose_groups_cross_ranks(self) -> None:
        assert "partition (192) to be divisible by group_size (128)" in self.expert_refusal(experts(W4A16, *QWEN), 192)
        assert "group_size >= 32" in self.expert_refusal(experts(AWQ, *QWEN), 48)

    def test_integer_experts_with_channels_have_no_kernel_on_hopper_only(self) -> None:
        module = experts(W8A16_CHANNEL, *QWEN)
        assert self.expert_refusal(module, 384).startswith("AssertionError")
        assert experts_bytes(module, count=128, intermediate=384, capability=A100) > 0

    def test_mxfp8_experts(self) -> None:
        assert "hidden_size divisible by 32, got 2040" in self.expert_refusal(experts(formats.MXFP8, 8, 2040, 768), 768)
        assert "got 720" not in self.expert_refusal(experts(formats.MXFP8, 8, 2048, 720), 360)

    def test_w4a8_experts(self) -> None:
        form = replace(W4A16, name="int-ct-w4a8")
        assert "intermediate_size_per_partition=384 must be divisible by 256" in self.expert_refusal(
            experts(form, *QWEN), 384
        )


def test_scales_of_every_kind_are_counted() -> None:
    plain = linear_bytes(linear(Format("x", 8), 256, [128, 128]), inputs=256, outputs=[128, 128])
    for scale, scales in ((Scale.TENSOR, 2), (Scale.CHANNEL, 256), (Scale.BLOCK, 4), (Scale.GROUP, 512)):
        block = (1, 128) if scale is Scale.GROUP else (128, 128)
        form = Format("x", 8, scale, 4, block)
        assert linear_bytes(linear(form, 256, [128, 128]), inputs=256, outputs=[128, 128]) == plain + 4 * scales
