"""Which format each module gets: engine names, ignore lists, targets and per-layer rules.

Expectations are what vLLM 0.33.0 itself answered for the same configs (get_quant_method of each module).
"""

from __future__ import annotations

from typing import Any

import pytest

from llmtune.architectures.config import ConfigError
from llmtune.architectures.quantization import MixedShards, Quantization, online, read_quantization
from llmtune.spec.weights import BF16, Scale

QKV = "model.layers.0.self_attn.qkv_proj"
EXPERTS = "model.layers.0.mlp.experts"


def quantization(config: dict[str, Any], **model: Any) -> Quantization:
    found = read_quantization(
        {"architectures": ["LlamaForCausalLM"], "model_type": "llama", **model, "quantization_config": config}, None
    )
    assert found is not None
    return found


def scheme(**weights: Any) -> dict[str, Any]:
    return {"num_bits": 4, "type": "int", "strategy": "group", "symmetric": True, "dynamic": False, **weights}


def compressed(
    packing: str, weights: dict[str, Any], inputs: dict[str, Any] | None = None, **more: Any
) -> Quantization:
    group = {"targets": ["Linear"], "weights": weights, "input_activations": inputs}
    config = {"quant_method": "compressed-tensors", "format": packing, "ignore": ["lm_head"], **more}
    return quantization({"config_groups": {"group_0": group}, **config})


def test_a_checkpoint_without_a_quantisation_config_has_none() -> None:
    assert read_quantization({"architectures": ["LlamaForCausalLM"]}, None) is None


def test_a_config_that_names_no_method_is_not_quantised_as_in_the_engine() -> None:
    # Qwen3-32B-FP8-Static-PerTensor: producer modelopt, quant_algo beside it, no quant_method
    config = {"quantization_config": {"quant_algo": "FP8", "producer": {"name": "modelopt"}}}
    assert read_quantization(config, None) is None


def test_an_unknown_method_is_an_error_not_a_guess() -> None:
    with pytest.raises(ConfigError, match="'hqq' is not known"):
        quantization({"quant_method": "hqq"})


@pytest.mark.parametrize(
    ("config", "model", "method"),
    [
        ({"quant_method": "awq", "bits": 4, "group_size": 128}, {}, "auto_awq"),
        ({"quant_method": "gptq", "bits": 8, "group_size": 128}, {}, "auto_gptq"),
        ({"quant_method": "fp8"}, {}, "fp8"),
        ({"quant_method": "fp8"}, {"model_type": "deepseek_v4"}, "deepseek_v4_fp8"),
        ({"quant_method": "mxfp4"}, {"model_type": "gpt_oss"}, "gpt_oss_mxfp4"),
        ({"quant_method": "mxfp4"}, {}, "mxfp4"),
        ({"quant_method": "modelopt", "quant_algo": "FP8"}, {}, "modelopt"),
        ({"quant_method": "modelopt", "quant_algo": "FP8_PB_WO"}, {}, "modelopt"),
        ({"quant_method": "modelopt", "quant_algo": "NVFP4"}, {}, "modelopt_fp4"),
        ({"quant_method": "modelopt", "quant_algo": "MXFP8"}, {}, "modelopt_mxfp8"),
        ({"quant_method": "mxfp8"}, {}, "mxfp8"),
        ({"quant_method": "auto-round", "bits": 4, "group_size": 128}, {}, "inc"),
        ({"quant_method": "compressed_tensors"}, {}, "compressed-tensors"),
    ],
)
def test_the_method_has_the_name_that_the_engine_gives_it(
    config: dict[str, Any], model: dict[str, Any], method: str
) -> None:
    assert quantization(config, **model).method == method


def test_a_separate_file_counts_when_config_json_has_nothing() -> None:
    file = {
        "producer": {"name": "modelopt"},
        "quantization": {"quant_algo": "FP8", "kv_cache_quant_algo": "FP8", "exclude_modules": ["lm_head"]},
    }
    found = read_quantization({"architectures": ["LlamaForCausalLM"]}, file)
    assert found is not None
    assert (found.method, found.kv_cache_dtype) == ("modelopt", "fp8_e4m3")
    assert found.format_of(QKV, "linear").name == "fp8-tensor"
    assert found.format_of("lm_head", "lm_head") == BF16


class TestFp8:
    def test_blocks_for_linear_layers_and_experts_not_for_the_head(self) -> None:
        found = quantization({"quant_method": "fp8", "weight_block_size": [128, 128]})
        assert found.format_of(QKV, "linear").block == (128, 128)
        assert found.format_of(EXPERTS, "experts").scale is Scale.BLOCK
        assert found.format_of("lm_head", "lm_head") == BF16

    def test_static_activations_store_a_scale_per_part_or_per_matrix_of_an_expert(self) -> None:
        found = quantization({"quant_method": "fp8", "activation_scheme": "static"})
        assert found.format_of(QKV, "linear").tensor_bytes == 4
        assert found.format_of(EXPERTS, "experts").matrix_bytes == 4

    def test_a_fused_layer_is_skipped_when_all_its_parts_are(self) -> None:
        names = [f"model.layers.0.self_attn.{part}_proj" for part in "qkv"]
        found = quantization({"quant_method": "fp8", "modules_to_not_convert": names})
        assert found.format_of(QKV, "linear") == BF16
        assert found.format_of("model.layers.1.self_attn.qkv_proj", "linear") != BF16

    def test_a_fused_layer_with_mixed_parts_is_refused_as_by_the_engine(self) -> None:
        found = quantization({"quant_method": "fp8", "ignored_layers": ["model.layers.0.self_attn.q_proj"]})
        with pytest.raises(MixedShards, match="Detected some but not all shards"):
            found.format_of(QKV, "linear")

    def test_names_of_a_vision_model_are_translated(self) -> None:
        found = quantization(
            {"quant_method": "fp8", "modules_to_not_convert": ["model.visual.blocks.0.attn.proj"]},
            architectures=["Qwen3VLForConditionalGeneration"],
        )
        assert found.format_of("visual.blocks.0.attn.proj", "linear") == BF16

    def test_a_parent_in_the_list_does_not_cover_its_children(self) -> None:
        # Devstral-Small-2 lists "model.vision_tower"; the engine quantises the tower all the same
        found = quantization(
            {"quant_method": "fp8", "modules_to_not_convert": ["model.vision_tower"]},
            architectures=["Mistral3ForConditionalGeneration"],
        )
        assert found.format_of("vision_tower.transformer.layers.0.attention.o_proj", "linear") != BF16

    def test_deepseek_v4_has_one_byte_scales_and_mxfp4_experts(self) -> None:
        found = quantization({"quant_method": "fp8", "weight_block_size": [128, 128]}, model_type="deepseek_v4")
        assert found.format_of("model.layers.3.attn.wq_b", "linear").scale_bytes == 1
        assert found.format_of("model.layers.3.ffn.experts", "experts").name == "mxfp4"

    def test_deepseek_v4_with_nvfp4_experts_except_the_ignored(self) -> None:
        config = {"quant_method": "fp8", "moe_quant_algo": "NVFP4", "ignore": ["mtp.*"]}
        found = quantization(config, model_type="deepseek_v4", num_hidden_layers=43)
        assert found.format_of("model.layers.42.ffn.experts", "experts").name == "nvfp4"
        assert found.format_of("model.layers.43.ffn.experts", "experts").name == "mxfp4"


class TestCompressedTensors:
    def test_packed_integers(self) -> None:
        form = compressed("pack-quantized", scheme(group_size=128)).format_of(QKV, "linear")
        assert (form.bits, form.block, form.zero_bits, form.matrix_bytes) == (4, (1, 128), 0, 16)

    def test_asymmetric_integers_have_zero_points(self) -> None:
        found = compressed("pack-quantized", scheme(group_size=32, symmetric=False))
        assert found.format_of(QKV, "linear").zero_bits == 4

    def test_fp8_by_strategy(self) -> None:
        inputs = {"num_bits": 8, "type": "float", "dynamic": True, "strategy": "token"}
        for strategy, name in (("tensor", "fp8-tensor"), ("channel", "fp8-channel"), ("block", "fp8-block-ct")):
            weights = scheme(num_bits=8, type="float", strategy=strategy)
            assert compressed("float-quantized", weights, inputs).format_of(QKV, "linear").name == name

    def test_nvfp4_without_inputs_still_stores_input_scales_for_experts(self) -> None:
        found = compressed("nvfp4-pack-quantized", scheme(type="float", strategy="tensor_group", group_size=16))
        assert found.format_of(QKV, "linear").tensor_bytes == 4
        assert found.format_of(EXPERTS, "experts").tensor_bytes == 8

    def test_targets_ignore_and_regular_expressions(self) -> None:
        groups = {
            "attention": {
                "targets": ["re:.*self_attn.*"],
                "format": "float-quantized",
                "weights": scheme(num_bits=8, type="float", strategy="channel"),
                "input_activations": {"num_bits": 8, "type": "float", "dynamic": True},
            },
            "mlp": {"targets": ["re:.*mlp.*"], "format": "pack-quantized", "weights": scheme(group_size=128)},
        }
        config = {"quant_method": "compressed-tensors", "format": "mixed-precision", "config_groups": groups}
        found = quantization({**config, "ignore": ["re:.*layers\\.1\\..*"]})
        assert found.format_of(QKV, "linear").name == "fp8-channel"
        assert found.format_of("model.layers.0.mlp.gate_up_proj", "linear").name == "int-ct"
        assert found.format_of(EXPERTS, "experts").name == "int-ct"
        assert found.format_of("model.layers.1.mlp.gate_up_proj", "linear") == BF16
        assert found.format_of("model.layers.0.other", "linear") == BF16

    def test_a_scheme_for_the_cache_makes_it_fp8(self) -> None:
        found = compressed("pack-quantized", scheme(group_size=128), kv_cache_scheme={"num_bits": 8, "type": "float"})
        assert found.kv_cache_dtype == "fp8"

    def test_group_activation_ordering_is_refused_in_the_engines_words(self) -> None:
        refusal = compressed("pack-quantized", scheme(group_size=128, actorder="group")).refusal
        assert refusal is not None
        assert refusal.startswith("Compressed-tensors group/dynamic activation ordering (actorder='group')")

    def test_a_combination_without_a_scheme_is_an_error(self) -> None:
        with pytest.raises(ConfigError, match="No compressed-tensors compatible scheme"):
            compressed("int-quantized", scheme(num_bits=8)).format_of(QKV, "linear")


class TestIntegers:
    def test_awq_skips_by_part_of_the_name(self) -> None:
        config = {"quant_method": "awq", "bits": 4, "group_size": 64, "modules_to_not_convert": ["layers.1.self_attn"]}
        found = quantization(config)
        assert found.format_of(QKV, "linear").zero_bits == 4
        assert found.format_of("model.layers.1.self_attn.qkv_proj", "linear") == BF16
        assert found.format_of("lm_head", "lm_head") == BF16

    def test_gptq_rules_per_module(self) -> None:
        dynamic = {r"+:.*layers\.1\..*": {"bits": 8, "group_size": 64}, "-:.*o_proj.*": {}}
        config = {"quant_method": "gptq", "bits": 4, "group_size": 128, "sym": True, "lm_head": True}
        found = quantization({**config, "dynamic": dynamic})
        assert found.format_of(QKV, "linear").bits == 4
        eight = found.format_of("model.layers.1.self_attn.qkv_proj", "linear")
        assert (eight.bits, eight.block) == (8, (1, 64))
        assert found.format_of("model.layers.0.self_attn.o_proj", "linear") == BF16
        assert found.format_of("lm_head", "lm_head").bits == 4

    def test_gptq_experts_have_biases_whatever_the_model_says(self) -> None:
        found = quantization({"quant_method": "gptq", "bits": 4, "group_size": 128, "sym": True})
        assert found.format_of(EXPERTS, "experts").bias

    def test_gptq_activation_ordering_is_refused_in_the_engines_words(self) -> None:
        config = {"quant_method": "gptq", "bits": 4, "group_size": 128, "sym": True, "desc_act": True}
        assert quantization(config).refusal == (
            "GPTQ group activation ordering (desc_act=True) is no longer supported. "
            "Use a checkpoint with static activation ordering or desc_act=False."
        )
        assert quantization({**config, "group_size": -1}).refusal is None

    def test_auto_round_overrides(self) -> None:
        config = {"quant_method": "auto-round", "bits": 4, "group_size": 128, "data_type": "int"}
        found = quantization({**config, "extra_config": {"model.layers.0.self_attn.o_proj": {"bits": 16}}})
        assert found.format_of("model.layers.0.self_attn.o_proj", "linear") == BF16
        assert found.format_of("model.layers.1.self_attn.o_proj", "linear").name == "gptq"

    def test_bitsandbytes_is_sized_though_0_33_refuses_it(self) -> None:
        found = quantization({"quant_method": "bitsandbytes", "load_in_4bit": True, "llm_int8_skip_modules": ["mlp"]})
        assert found.refusal is not None
        assert found.format_of(QKV, "linear").name == "nf4"
        assert found.format_of("model.layers.0.mlp.down_proj", "linear") == BF16


class TestModelOpt:
    def test_a_star_covers_the_module_and_all_below(self) -> None:
        config = {"quant_method": "modelopt", "quant_algo": "NVFP4", "ignore": ["lm_head", "model.layers.0.self_attn*"]}
        found = quantization(config)
        assert found.format_of(QKV, "linear") == BF16
        assert found.format_of("model.layers.1.self_attn.qkv_proj", "linear").name == "nvfp4"

    def test_the_head_is_quantised_unless_excluded(self) -> None:
        found = quantization({"quant_method": "modelopt", "quant_algo": "NVFP4"})
        assert found.format_of("lm_head", "lm_head").name == "nvfp4"

    def test_nvfp4_without_activations_in_any_group_is_weight_only(self) -> None:
        groups = {"group_0": {"input_activations": None, "weights": {"num_bits": 4}}}
        found = quantization({"quant_method": "modelopt", "quant_algo": "NVFP4", "config_groups": groups})
        assert found.format_of(QKV, "linear").name == "nvfp4-w4a16"

    def test_mixed_precision_by_own_name_by_parts_and_from_above(self) -> None:
        layers = {
            **{f"model.language_model.layers.0.self_attn.{part}_proj": {"quant_algo": "FP8"} for part in "qkv"},
            "model.language_model.layers.0.mlp.experts.0.down_proj": {"quant_algo": "NVFP4", "group_size": 16},
            "model.language_model.layers.0.mlp.shared_expert.down_proj": {"quant_algo": "W4A16_NVFP4"},
        }
        found = quantization(
            {"quant_method": "modelopt", "quant_algo": "MIXED_PRECISION", "quantized_layers": layers},
            architectures=["Qwen3_5MoeForConditionalGeneration"],
        )
        layer = "language_model.model.layers.0"
        assert found.method == "modelopt_mixed"
        assert found.format_of(f"{layer}.self_attn.qkv_proj", "linear").name == "fp8-tensor"
        assert found.format_of(f"{layer}.mlp.experts", "experts").name == "nvfp4"
        assert found.format_of(f"{layer}.mlp.shared_expert.down_proj", "linear").name == "nvfp4-w4a16"
        assert found.format_of(f"{layer}.self_attn.o_proj", "linear") == BF16

    def test_names_below_a_renamed_trunk(self) -> None:
        layers = {"backbone.layers.1.mixer.experts.0.up_proj": {"quant_algo": "W4A16_NVFP4", "group_size": 16}}
        found = quantization(
            {"quant_method": "modelopt", "quant_algo": "MIXED_PRECISION", "quantized_layers": layers},
            architectures=["NemotronHForCausalLM"],
        )
        assert found.format_of("model.layers.1.mixer.experts", "experts").name == "nvfp4-w4a16"

    @pytest.mark.parametrize(
        ("scheme", "dtype"),
        [
            ({"dynamic": False, "num_bits": 8, "type": "float"}, "fp8_e4m3"),
            ({"num_bits": 4, "type": "float"}, "nvfp4"),
            ({"num_bits": 8, "type": "int"}, None),
            (None, None),
        ],
    )
    def test_what_the_cache_becomes(self, scheme: dict[str, Any] | None, dtype: str | None) -> None:
        found = quantization({"quant_method": "modelopt", "quant_algo": "NVFP4", "kv_cache_scheme": scheme})
        assert found.kv_cache_dtype == dtype


def test_gpt_oss_quantises_experts_only() -> None:
    found = quantization({"quant_method": "mxfp4"}, model_type="gpt_oss")
    assert found.format_of("model.layers.0.attn.qkv_proj", "linear") == BF16
    assert found.format_of(EXPERTS, "experts").name == "mxfp4"


def test_quark_with_an_exclude_list() -> None:
    fp8 = {"dtype": "fp8_e4m3", "qscheme": "per_tensor", "is_dynamic": False}
    config = {
        "quant_method": "quark",
        "global_quant_config": {"weight": fp8, "input_tensors": fp8},
        "exclude": ["lm_head", "re:.*o_proj"],
    }
    found = quantization(config)
    assert found.format_of(QKV, "linear").name == "fp8-tensor"
    assert found.format_of("model.layers.0.self_attn.o_proj", "linear") == BF16


def test_online_methods_quantise_linear_layers_and_experts_or_experts_only() -> None:
    assert online("fp8").format_of(QKV, "linear").bits == 8
    assert online("fp8").format_of("lm_head", "lm_head") == BF16
    assert online("int8_per_channel_weight_only").format_of(QKV, "linear") == BF16
    assert online("int8_per_channel_weight_only").format_of(EXPERTS, "experts").bits == 8
    with pytest.raises(ValueError, match="'awq' does not quantise a 16-bit checkpoint"):
        online("awq")


@pytest.mark.parametrize(
    ("config", "attention", "latent"),
    [
        ({"quant_method": "fp8"}, 8, 0),
        ({"quant_method": "modelopt", "quant_algo": "FP8"}, 8, 8),
        ({"quant_method": "compressed-tensors"}, 18, 0),
        ({"quant_method": "awq", "bits": 4, "group_size": 128}, 0, 0),
    ],
)
def test_bytes_that_come_with_every_attention_layer(config: dict[str, Any], attention: int, latent: int) -> None:
    found = quantization(config)
    assert (found.attention_bytes, found.latent_attention_bytes) == (attention, latent)
