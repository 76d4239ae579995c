"""Weight bytes and caches of the multimodal families and of those whose text model has layers of its own.

The expectations are the parameters that vLLM 0.33.0 itself creates for these configs (first rank) under tensor
parallel 1 and 2.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from llmtune.architectures import read_model
from llmtune.architectures.config import ConfigError
from llmtune.calc.weights import Split, module_bytes
from llmtune.spec.model import FullAttention, Indexer, Latent, Model, SlidingWindow, StateSpace
from llmtune.spec.weights import Linear

Config = dict[str, Any]
# fmt: off
TEXT: Config = {"hidden_size": 128, "intermediate_size": 256, "num_hidden_layers": 2, "num_attention_heads": 8,
 "num_key_value_heads": 2, "head_dim": 16, "vocab_size": 256, "max_position_embeddings": 4096, "tie_word_embeddings":
 False}
LATENT: Config = {"model_type": "deepseek_v3", "architectures": ["DeepseekV3ForCausalLM"], "hidden_size": 128,
 "intermediate_size": 256, "moe_intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4,
 "num_key_value_heads": 4, "vocab_size": 256, "max_position_embeddings": 4096, "n_routed_experts": 4,
 "n_shared_experts": 1, "num_experts_per_tok": 2, "first_k_dense_replace": 1, "moe_layer_freq": 1, "topk_method":
 "noaux_tc", "q_lora_rank": 32, "kv_lora_rank": 512, "qk_nope_head_dim": 128, "qk_rope_head_dim": 64, "v_head_dim":
 128, "tie_word_embeddings": False}
LINEAR: Config = {"full_attn_layers": [2], "kda_layers": [1, 3], "head_dim": 16, "num_heads": 4,
 "short_conv_kernel_size": 4}
KIMI: Config = {"model_type": "kimi_linear", "architectures": ["KimiLinearForCausalLM"], "dtype": "bfloat16",
 "hidden_size": 128, "intermediate_size": 256, "moe_intermediate_size": 512, "num_hidden_layers": 3,
 "num_attention_heads": 4, "num_key_value_heads": 4, "vocab_size": 256, "max_position_embeddings": 4096, "num_experts":
 4, "num_experts_per_token": 2, "num_shared_experts": 1, "first_k_dense_replace": 1, "moe_layer_freq": 1,
 "kv_lora_rank": 512, "qk_nope_head_dim": 128, "qk_rope_head_dim": 64, "v_head_dim": 128, "mla_use_nope": True,
 "linear_attn_config": LINEAR, "tie_word_embeddings": False}
STEP: Config = {"architectures": ["Step3p5ForCausalLM"], "model_type": "step3p5", "dtype": "bfloat16", "hidden_size":
 128, "intermediate_size": 256, "num_hidden_layers": 2, "num_attention_heads": 4, "num_attention_groups": 2,
 "head_dim": 16, "vocab_size": 256, "max_position_embeddings": 4096, "moe_layers_enum": "1", "moe_num_experts": 4,
 "moe_top_k": 2, "moe_intermediate_size": 64, "share_expert_dim": 64, "use_head_wise_attn_gate": True,
 "sliding_window": 128, "layer_types": ["full_attention", "sliding_attention"], "attention_other_setting":
 {"attention_type": "sliding_attention", "num_attention_heads": 8}, "tie_word_embeddings": False}
CLIP: Config = {"model_type": "clip_vision_model", "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 3,
 "num_attention_heads": 4, "image_size": 56, "patch_size": 14}
GLM_TOWER: Config = {"depth": 2, "hidden_size": 64, "intermediate_size": 96, "num_heads": 4, "image_size": 56,
 "patch_size": 14, "out_hidden_size": 128}
MOON: Config = {"vt_hidden_size": 64, "vt_intermediate_size": 128, "vt_num_hidden_layers": 2, "vt_num_attention_heads":
 4, "patch_size": 14, "init_pos_emb_height": 8, "init_pos_emb_width": 8, "merge_kernel_size": [2, 2]}
CASES: dict[str, tuple[Config, int, int]] = {
    "kimi_k25": ({"architectures": ["KimiK25ForConditionalGeneration"], "model_type": "kimi_k25", "dtype": "bfloat16",
     "text_config": LATENT, "vision_config": {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2,
     "num_attention_heads": 4, "patch_size": 14, "pos_emb_height": 8, "pos_emb_width": 8}}, 3762192, 2180496),
    "kimi_vl": ({"architectures": ["KimiVLForConditionalGeneration"], "model_type": "kimi_vl", "dtype": "bfloat16",
     "text_config": {**LATENT, "q_lora_rank": None}, "vision_config": {"model_type": "moonvit", "hidden_size": 64,
     "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4, "patch_size": 14,
     "init_pos_emb_height": 8, "init_pos_emb_width": 8, "merge_kernel_size": [2, 2]}}, 4040592, 2311440),
    "kimi_linear": (KIMI, 5952896, 3060848),
    "kimi_k3": ({"architectures": ["KimiK3ForConditionalGeneration"], "model_type": "kimi_k3", "dtype": "bfloat16",
     "text_config": {**KIMI, "linear_attn_config": {**LINEAR, "head_dim": 128, "num_heads": 16, "use_full_rank_gate":
     True, "gate_lower_bound": -5.0}, "q_lora_rank": 32, "mla_use_output_gate": True, "attn_res_block_size": 2,
     "routed_expert_hidden_size": 64, "latent_moe_use_norm": True}, "vision_config": {**MOON, "vt_num_attention_heads":
     8, "qkv_hidden_size": 96, "mm_hidden_size": 64}}, 11300448, 5942816),
    "minimax_m3": ({"architectures": ["MiniMaxM3SparseForConditionalGeneration"], "model_type": "minimax_m3_vl",
     "dtype": "bfloat16", "projector_hidden_size": 96, "text_config": {**TEXT, "intermediate_size": 64,
     "dense_intermediate_size": 256, "head_dim": 128, "num_local_experts": 4, "num_experts_per_tok": 2,
     "n_shared_experts": 1, "use_routing_bias": True, "moe_layer_freq": [0, 1], "sparse_attention_config":
     {"sparse_attention_freq": [0, 1], "sparse_index_dim": 128, "sparse_num_index_heads": 2, "sparse_topk_blocks": 16,
     "sparse_block_size": 128}, "dtype": "bfloat16", "architectures": ["MiniMaxM3SparseForCausalLM"]}, "vision_config":
     {"hidden_size": 80, "num_attention_heads": 4, "num_hidden_layers": 2, "intermediate_size": 160, "patch_size": 14,
     "image_size": 56, "img_token_compression_config": {"image_token_compression_method": "patch_merge",
     "spatial_merge_size": 2, "temporal_patch_size": 2}}}, 2547856, 1388208),
    "step3p5": (STEP, 711056, 357264),
    "step3p7": ({"architectures": ["Step3p7ForConditionalGeneration"], "model_type": "step3p7", "dtype": "bfloat16",
     "projector_bias": False, "text_config": STEP, "vision_config": {"model_type": "perception_encoder", "image_size":
     56, "patch_size": 14, "width": 64, "layers": 2, "heads": 4, "mlp_ratio": 2.0, "use_cls_token": False,
     "use_ln_post": False, "ls_init_value": 0.1, "output_dim": None}}, 1726608, 1273872),
    "qwen3_omni_moe": ({"architectures": ["Qwen3OmniMoeForConditionalGeneration"], "model_type": "qwen3_omni_moe",
     "dtype": "bfloat16", "thinker_config": {"model_type": "qwen3_omni_moe_thinker", "audio_config": {"num_mel_bins":
     32, "encoder_layers": 2, "encoder_attention_heads": 4, "encoder_ffn_dim": 128, "d_model": 64,
     "downsample_hidden_size": 24, "output_dim": 128}, "vision_config": {"depth": 2, "hidden_size": 64,
     "intermediate_size": 128, "num_heads": 4, "patch_size": 14, "out_hidden_size": 128, "num_position_embeddings": 16,
     "deepstack_visual_indexes": [1]}, "text_config": {**TEXT, "model_type": "qwen3_omni_moe_text",
     "moe_intermediate_size": 64, "num_experts": 4, "num_experts_per_tok": 2, "decoder_sparse_step": 1}}}, 1566912,
     893376),
    "qwen2_vl": ({**TEXT, "architectures": ["Qwen2VLForConditionalGeneration"], "model_type": "qwen2_vl", "dtype":
     "bfloat16", "vision_config": {"depth": 2, "embed_dim": 64, "mlp_ratio": 2, "num_heads": 4, "hidden_size": 128,
     "patch_size": 14}}, 1172224, 663040),
    "glm4v": ({"architectures": ["Glm4vForConditionalGeneration"], "model_type": "glm4v", "dtype": "bfloat16",
     "text_config": {**TEXT, "model_type": "glm4v_text", "attention_bias": True}, "vision_config": {**GLM_TOWER,
     "model_type": "glm4v_vision"}}, 1181312, 701696),
    "glm4v_moe": ({"architectures": ["Glm4vMoeForConditionalGeneration"], "model_type": "glm4v_moe", "dtype":
     "bfloat16", "text_config": {**TEXT, "model_type": "glm4v_moe_text", "attention_bias": True,
     "moe_intermediate_size": 64, "n_routed_experts": 4, "n_shared_experts": 1, "num_experts_per_tok": 2,
     "first_k_dense_replace": 1}, "vision_config": {**GLM_TOWER, "model_type": "glm4v_moe_vision"}}, 1231504, 727312),
    "internvl_chat": ({"architectures": ["InternVLChatModel"], "model_type": "internvl_chat", "dtype": "bfloat16",
     "downsample_ratio": 0.5, "select_layer": -1, "llm_config": {**TEXT, "architectures": ["Qwen2ForCausalLM"],
     "model_type": "qwen2"}, "vision_config": {**CLIP, "model_type": "intern_vit_6b", "hidden_size": 80,
     "intermediate_size": 160, "num_hidden_layers": 2, "num_attention_heads": 5, "norm_type": "rms_norm",
     "qk_normalization": True, "qkv_bias": False}}, 1111776, 715808),
    "llava": ({"architectures": ["LlavaForConditionalGeneration"], "model_type": "llava", "dtype": "float16",
     "text_config": {**TEXT, "architectures": ["LlamaForCausalLM"], "model_type": "llama"}, "vision_config": CLIP,
     "vision_feature_layer": -2}, 950784, 515840),
    "llava_next": ({"architectures": ["LlavaNextForConditionalGeneration"], "model_type": "llava_next", "dtype":
     "bfloat16", "text_config": {**TEXT, "architectures": ["GraniteForCausalLM"], "model_type": "granite",
     "tie_word_embeddings": True}, "vision_config": {**CLIP, "model_type": "siglip_vision_model"},
     "vision_feature_layer": [-3, -1], "tie_word_embeddings": True}, 968448, 524992),
    "minicpmv": ({**TEXT, "architectures": ["MiniCPMV"], "model_type": "minicpmv", "dtype": "bfloat16", "version": 2.6,
     "hidden_size": 256, "num_attention_heads": 2, "head_dim": 128, "query_num": 16, "vision_config": {**CLIP,
     "model_type": "siglip", "num_hidden_layers": 2}}, 3015808, 1899520),
    "gemma4_unified": ({"architectures": ["Gemma4UnifiedForConditionalGeneration"], "model_type": "gemma4_unified",
     "dtype": "bfloat16", "audio_config": {"model_type": "gemma4_unified_audio", "audio_embed_dim": 32,
     "output_proj_dims": 32}, "text_config": {**TEXT, "model_type": "gemma4_unified_text", "tie_word_embeddings": True,
     "layer_types": ["sliding_attention", "full_attention"], "sliding_window": 512, "global_head_dim": 32,
     "num_global_key_value_heads": 1, "attention_k_eq_v": True, "enable_moe_block": False,
     "hidden_size_per_layer_input": 0, "num_kv_shared_layers": 0, "use_bidirectional_attention": "vision"},
     "vision_config": {"model_type": "gemma4_unified_vision", "mm_embed_dim": 128, "mm_posemb_size": 16,
     "model_patch_size": 16, "output_proj_dims": 128}, "tie_word_embeddings": True}, 940736, 506432),
    "ernie4_5_moe_vl": ({**TEXT, "architectures": ["Ernie4_5_VLMoeForConditionalGeneration"], "model_type":
     "ernie4_5_moe_vl", "dtype": "bfloat16", "moe_num_experts": [4, 4], "moe_intermediate_size": [64, 32],
     "moe_num_shared_experts": 1, "moe_k": 2, "moe_layer_start_index": [1, 1], "moe_layer_end_index": [2, 2],
     "moe_layer_interval": 1, "pixel_hidden_size": 64, "spatial_conv_size": 2, "temporal_conv_size": 2,
     "vision_config": {"model_type": "DFNRope_vision_transformer", "depth": 2, "embed_dim": 64, "hidden_size": 64,
     "num_heads": 4, "patch_size": 14, "mlp_ratio": 2, "spatial_merge_size": 2}}, 1775904, 930336),
    "phi4mm": ({**TEXT, "architectures": ["Phi4MMForCausalLM"], "model_type": "phi4mm", "dtype": "bfloat16",
     "tie_word_embeddings": True, "audio_processor": {"config": {"attention_dim": 64, "attention_heads": 4,
     "input_size": 80, "kernel_size": 3, "linear_units": 96, "num_blocks": 2, "depthwise_seperable_out_channel": 64,
     "nemo_conv_settings": {"conv_channels": 32}, "relative_attention_bias_args": {"t5_bias_max_distance": 50, "type":
     "t5"}}}}, 797561632, 401202944),
    "pixtral": ({"architectures": ["PixtralForConditionalGeneration"], "model_type": "pixtral", "dtype": "bfloat16",
     "text_config": {**TEXT, "model_type": "mistral"}, "vision_config": {**CLIP, "model_type": "pixtral",
     "num_hidden_layers": 2, "num_channels": 3, "adapter_bias": True}}, 978816, 552832),
}
# fmt: on


def total(model: Model, tensor: int) -> int:
    split = Split(tensor, 1, tensor, (9, 0))
    layers = [module for number in model.pattern for module in model.groups[number].modules]
    return sum(module_bytes(module, split) for module in (*model.embedding, *layers, *model.head, *model.towers))


def caches(name: str) -> Counter[str]:
    model = read_model(CASES[name][0])
    return Counter(type(cache).__name__ for number in model.pattern for cache in model.groups[number].caches)


@pytest.mark.parametrize("name", CASES)
def test_weights_of_one_rank_equal_vllms(name: str) -> None:
    config, one, _ = CASES[name]
    assert total(read_model(config), 1) == one


@pytest.mark.parametrize("name", CASES)
def test_weights_of_the_first_of_two_ranks_equal_vllms(name: str) -> None:
    config, _, two = CASES[name]
    assert total(read_model(config), 2) == two


@pytest.mark.parametrize("name", CASES)
def test_every_family_has_a_cache_and_every_wrapper_says_that_it_is_multimodal(name: str) -> None:
    model = read_model(CASES[name][0])
    assert sum(caches(name).values()) >= model.layers
    assert model.multimodal == (name not in {"kimi_linear", "step3p5"})


def test_kimi_mixes_delta_attention_with_latent_attention() -> None:
    for name in ("kimi_linear", "kimi_k3"):
        assert caches(name) == {"StateSpace": 2, "Latent": 1}
    (state,) = {cache for group in read_model(KIMI).groups for cache in group.caches if isinstance(cache, StateSpace)}
    assert state.kind == "kda"
    assert [(part.units * part.width * part.columns, part.fp32) for part in state.states] == [
        (3 * 4 * 16 * 3, False),
        (4 * 16 * 16, True),
    ]


def test_minimax_m3_keeps_index_keys_in_16_bit_beside_sparse_attention() -> None:
    dense, sparse = read_model(CASES["minimax_m3"][0]).groups
    assert dense.caches == (FullAttention(2, 128),)
    assert sparse.caches == (FullAttention(2, 128, sparse=True), Indexer(128, quantized=False, heads=2))


def test_step_windows_have_heads_of_their_own_and_share_the_key_heads() -> None:
    full, slides = read_model(STEP).groups
    assert full.caches == (FullAttention(2, 16),)
    assert slides.caches == (SlidingWindow(2, 16, 128),)


def test_gemma_4_unified_sees_images_both_ways() -> None:
    assert {
        cache.bidirectional
        for group in read_model(CASES["gemma4_unified"][0]).groups
        for cache in group.caches
        if isinstance(cache, FullAttention | SlidingWindow)
    } == {True}


def test_attention_of_an_odd_number_of_heads_stays_whole_in_internvl() -> None:
    attends = [module for module in read_model(CASES["internvl_chat"][0]).towers if ".attn." in module.name]
    assert {module.heads for module in attends if isinstance(module, Linear)} == {5}


def test_kimi_vl_caches_latent_vectors() -> None:
    (first, *_) = read_model(CASES["kimi_vl"][0]).groups
    assert first.caches == (Latent(512, 64, heads=4, nope_dim=128, value_dim=128),)


def test_a_compressed_checkpoint_leaves_kimis_tower_in_16_bit() -> None:
    scheme = {"num_bits": 8, "type": "float", "strategy": "channel", "symmetric": True, "dynamic": False}
    inputs = {**scheme, "strategy": "token", "dynamic": True}
    compressed = {
        "quant_method": "compressed-tensors",
        "format": "float-quantized",
        "config_groups": {"group_0": {"targets": ["Linear"], "weights": scheme, "input_activations": inputs}},
    }
    model = read_model({**CASES["kimi_k25"][0], "quantization_config": compressed})
    assert {getattr(module, "fixed", True) for module in model.towers} == {True}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"architectures": ["Florence2ForConditionalGeneration"]}, "is not known"),
        ({"architectures": ["MiniCPMV"], "version": 2.0}, "MiniCPM-V 2.0"),
        ({"architectures": ["Step3p5ForCausalLM"], "layer_types": ["full_attention"]}, "names 1 of 2 layers"),
        ({"architectures": ["LlavaForConditionalGeneration"], "text_config": {"model_type": "odd"}}, "text_config"),
    ],
)
def test_what_cannot_be_known_is_refused(change: Config, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read_model({**TEXT, **change})
