"""Weight bytes of text, recurrent, encoder and speech families.

The expectations are the parameters that vLLM 0.33.0 itself creates for these configs (first rank, bfloat16) under
tensor parallel 1 and 2. Two configs of one architecture differ in biases, tying or the kind of layers.
"""

from __future__ import annotations

from typing import Any

import pytest

from llmtune.architectures import read_model
from llmtune.architectures.config import ConfigError
from llmtune.calc.weights import Split, module_bytes
from llmtune.spec.model import CrossAttention, FullAttention, Latent, Model, SlidingWindow, State, StateSpace

SMALL: dict[str, Any] = {
    "hidden_size": 128,
    "intermediate_size": 256,
    "num_hidden_layers": 3,
    "num_attention_heads": 8,
    "num_key_value_heads": 2,
    "vocab_size": 1000,
    "max_position_embeddings": 512,
}
Case = tuple[str, str, dict[str, Any], int, int]
# fmt: off
CASES: list[Case] = [
    ("FalconForCausalLM", "falcon", {**SMALL, "num_kv_heads": 2, "new_decoder_architecture": True, "bias": False,
     "tie_word_embeddings": True}, 1297920, 650752),
    ("FalconForCausalLM", "falcon", {**SMALL, "multi_query": True, "new_decoder_architecture": False, "parallel_attn":
     True, "bias": True}, 1277376, 652864),
    ("FalconForCausalLM", "falcon", {**SMALL, "multi_query": False, "new_decoder_architecture": False,
     "parallel_attn": False, "alibi": True, "bias": True, "tie_word_embeddings": False}, 1714432, 859776),
    ("FalconForCausalLM", "falcon", {**SMALL, "num_kv_heads": 2, "new_decoder_architecture": True,
     "num_ln_in_parallel_attn": 1, "bias": False, "tie_word_embeddings": False}, 1558528, 780288),
    ("BloomForCausalLM", "bloom", {"hidden_size": 128, "n_layer": 3, "n_head": 8, "vocab_size": 1000}, 1452800, 729216),
    ("GPTJForCausalLM", "gptj", {"n_embd": 128, "n_layer": 3, "n_head": 8, "n_positions": 512, "vocab_size": 1000,
     "n_inner": None, "tie_word_embeddings": False}, 1711872, 857344),
    ("GPTNeoXForCausalLM", "gpt_neox", {**SMALL, "tie_word_embeddings": False, "num_key_value_heads": None}, 1319680,
     662400),
    ("GPTNeoXForCausalLM", "gpt_neox", {**SMALL, "tie_word_embeddings": True, "attention_bias": False,
     "num_key_value_heads": None}, 1054464, 529408),
    ("OPTForCausalLM", "opt", {"hidden_size": 128, "ffn_dim": 256, "num_hidden_layers": 3, "num_attention_heads": 8,
     "word_embed_proj_dim": 64, "vocab_size": 1000, "max_position_embeddings": 512, "do_layer_norm_before": False},
     1090304, 629632),
    ("OPTForCausalLM", "opt", {"hidden_size": 128, "ffn_dim": 256, "num_hidden_layers": 3, "num_attention_heads": 8,
     "word_embed_proj_dim": 128, "vocab_size": 1000, "max_position_embeddings": 512, "do_layer_norm_before": True,
     "enable_bias": False, "layer_norm_elementwise_affine": False, "tie_word_embeddings": False}, 1442304, 786944),
    ("GPTBigCodeForCausalLM", "gpt_bigcode", {"n_embd": 128, "n_layer": 3, "n_head": 8, "n_positions": 512,
     "vocab_size": 1000, "n_inner": 512, "multi_query": True}, 1409984, 1180224),
    ("GPTBigCodeForCausalLM", "gpt_bigcode", {"n_embd": 128, "n_layer": 3, "n_head": 8, "n_positions": 512,
     "vocab_size": 1000, "multi_query": False}, 1583360, 1452288),
    ("DeciLMForCausalLM", "nemotron-nas", {"hidden_size": 512, "intermediate_size": None, "num_hidden_layers": 4,
     "num_attention_heads": 8, "num_key_value_heads": None, "vocab_size": 1000, "max_position_embeddings": 512,
     "tie_word_embeddings": False, "block_configs": [{"attention": {"n_heads_in_group": 4, "no_op": False}, "ffn":
     {"ffn_mult": 2.625, "no_op": False}}, {"attention": {"n_heads_in_group": None, "no_op": True}, "ffn": {"ffn_mult":
     1.3125, "no_op": False}}, {"attention": {"n_heads_in_group": 2, "no_op": False}, "ffn": {"ffn_mult": None,
     "no_op": True}}, {"attention": {"n_heads_in_group": 4, "no_op": False}, "ffn": {"ffn_mult": 5.25, "no_op":
     False}}]}, 16522240, 8264704),
    ("SeedOssForCausalLM", "seed_oss", {**SMALL, "head_dim": 32, "attention_bias": True, "attention_out_bias": False,
     "mlp_bias": False, "tie_word_embeddings": False}, 1609728, 805760),
    ("SeedOssForCausalLM", "seed_oss", {**SMALL, "head_dim": 32, "attention_bias": False, "attention_out_bias": True,
     "mlp_bias": True, "tie_word_embeddings": True}, 1349888, 676608),
    ("Ernie4_5ForCausalLM", "ernie4_5", {**SMALL, "head_dim": 32, "use_bias": False, "tie_word_embeddings": True},
     1345280, 673536),
    ("Ernie4_5ForCausalLM", "ernie4_5", {**SMALL, "head_dim": 32, "use_bias": True, "tie_word_embeddings": False},
     1607424, 804608),
    ("Ernie4_5_MoeForCausalLM", "ernie4_5_moe", {**SMALL, "head_dim": 32, "use_bias": False, "tie_word_embeddings":
     True, "moe_num_experts": 8, "moe_num_shared_experts": 2, "moe_k": 2, "moe_intermediate_size": 64,
     "moe_layer_start_index": 1, "moe_layer_end_index": 2, "moe_layer_interval": 1}, 1943360, 976704),
    ("Ernie4_5_MoeForCausalLM", "ernie4_5_moe", {**SMALL, "num_hidden_layers": 5, "use_bias": True,
     "tie_word_embeddings": False, "moe_num_experts": 8, "moe_num_shared_experts": 0, "moe_k": 2,
     "moe_intermediate_size": 64, "moe_layer_start_index": 1, "moe_layer_end_index": -1, "moe_layer_interval": 2},
     2326976, 1169408),
    ("HunYuanMoEV1ForCausalLM", "hunyuan_v1_moe", {**SMALL, "head_dim": 32, "num_experts": 8, "moe_topk": [2, 2, 2],
     "moe_intermediate_size": [64, 64, 64], "num_shared_expert": [1, 1, 1], "use_qk_norm": True, "tie_word_embeddings":
     True}, 2531456, 1269888),
    ("HunYuanDenseV1ForCausalLM", "hunyuan_v1_dense", {**SMALL, "head_dim": 32, "use_qk_norm": True,
     "tie_word_embeddings": True}, 1345664, 673920),
    ("HYV3ForCausalLM", "hy_v3", {**SMALL, "head_dim": 32, "moe_intermediate_size": 64, "expert_hidden_dim": 64,
     "first_k_dense_replace": 1, "num_experts": 8, "num_experts_per_tok": 2, "num_shared_experts": 1,
     "moe_router_enable_expert_bias": True, "qk_norm": True, "num_nextn_predict_layers": 1, "tie_word_embeddings":
     False}, 2107584, 1059008),
    ("HYV3ForCausalLM", "hy_v3", {**SMALL, "head_dim": 32, "moe_intermediate_size": 64, "expert_hidden_dim": 64,
     "first_k_dense_replace": 0, "num_experts": 8, "num_experts_per_tok": 2, "num_shared_experts": 0,
     "moe_router_enable_expert_bias": False, "qk_norm": False, "tie_word_embeddings": True}, 1947488, 980832),
    ("ApertusForCausalLM", "apertus", {**SMALL, "attention_bias": False, "mlp_bias": False, "qk_norm": True,
     "tie_word_embeddings": False}, 1165260, 583628),
    ("ApertusForCausalLM", "apertus", {**SMALL, "attention_bias": True, "mlp_bias": True, "tie_word_embeddings":
     True}, 907340, 455436),
    ("ChatGLMModel", "chatglm", {"hidden_size": 128, "ffn_hidden_size": 256, "num_layers": 3, "num_hidden_layers": 3,
     "num_attention_heads": 8, "kv_channels": 16, "multi_query_attention": True, "multi_query_group_num": 2,
     "padded_vocab_size": 1024, "vocab_size": 1024, "seq_length": 512, "add_bias_linear": False, "add_qkv_bias": True,
     "post_layer_norm": True, "rmsnorm": True, "tie_word_embeddings": False}, 1362816, 682304),
    ("ChatGLMForConditionalGeneration", "chatglm", {"hidden_size": 128, "ffn_hidden_size": 256, "num_layers": 3,
     "num_attention_heads": 8, "kv_channels": 16, "multi_query_attention": False, "padded_vocab_size": 1024,
     "seq_length": 512, "add_bias_linear": True, "post_layer_norm": True, "rmsnorm": False, "tie_word_embeddings":
     True}, 1255680, 630400),
    ("MambaForCausalLM", "mamba", {"hidden_size": 128, "intermediate_size": 256, "num_hidden_layers": 3, "state_size":
     16, "conv_kernel": 4, "expand": 2, "time_step_rank": 8, "vocab_size": 1000, "use_bias": False, "use_conv_bias":
     True, "tie_word_embeddings": True}, 986624, 493824),
    ("MambaForCausalLM", "mamba", {"hidden_size": 128, "num_hidden_layers": 3, "state_size": 16, "conv_kernel": 4,
     "expand": 2, "time_step_rank": "auto", "vocab_size": 1000, "use_bias": True, "use_conv_bias": False,
     "tie_word_embeddings": False}, 1251072, 626432),
    ("FalconMambaForCausalLM", "falcon_mamba", {"hidden_size": 128, "intermediate_size": 256, "num_hidden_layers": 3,
     "state_size": 16, "conv_kernel": 4, "expand": 16, "time_step_rank": 8, "vocab_size": 1000, "use_bias": False,
     "use_conv_bias": True, "tie_word_embeddings": False}, 1248768, 624896),
    ("Mamba2ForCausalLM", "mamba2", {"hidden_size": 128, "num_hidden_layers": 3, "num_heads": 8, "head_dim": 32,
     "state_size": 16, "n_groups": 2, "conv_kernel": 4, "expand": 2, "vocab_size": 1000, "use_bias": False,
     "use_conv_bias": True, "tie_word_embeddings": False}, 1181760, 591392),
    ("Lfm2ForCausalLM", "lfm2", {**SMALL, "block_dim": 128, "block_ff_dim": 400, "block_auto_adjust_ff_dim": True,
     "block_multiple_of": 32, "conv_L_cache": 3, "conv_dim": 128, "conv_dim_out": 128, "conv_bias": False,
     "layer_types": ["conv", "full_attention", "conv"], "tie_word_embeddings": True}, 1273152, 637504),
    ("Lfm2ForCausalLM", "lfm2", {**SMALL, "intermediate_size": 400, "block_dim": 128, "block_auto_adjust_ff_dim":
     True, "block_multiple_of": 32, "block_ffn_dim_multiplier": 1.5, "conv_L_cache": 4, "conv_dim": 128,
     "conv_dim_out": 128, "conv_bias": True, "full_attn_idxs": [1], "tie_word_embeddings": False}, 1571136, 786752),
    ("Lfm2MoeForCausalLM", "lfm2_moe", {**SMALL, "moe_intermediate_size": 64, "num_experts": 8, "num_experts_per_tok":
     2, "num_dense_layers": 1, "use_expert_bias": True, "conv_L_cache": 3, "conv_bias": False, "layer_types": ["conv",
     "full_attention", "conv"], "tie_word_embeddings": True}, 1596800, 801408),
    ("MistralModel", "mistral", {**SMALL, "sliding_window": 64, "tie_word_embeddings": False}, 1099520, 550656),
    ("Qwen2Model", "qwen2", {**SMALL, "tie_word_embeddings": False}, 1100672, 551232),
    ("Qwen3Model", "qwen3", {**SMALL, "head_dim": 32, "tie_word_embeddings": True}, 1345664, 673920),
    ("Qwen3ForSequenceClassification", "qwen3", {**SMALL, "head_dim": 32, "num_labels": 1, "tie_word_embeddings":
     True}, 1346176, 674432),
    ("Qwen3ForSequenceClassification", "qwen3", {**SMALL, "head_dim": 32, "id2label": {"0": "a", "1": "b", "2": "c"}},
     1347200, 675456),
    ("MistralForSequenceClassification", "mistral", {**SMALL, "num_labels": 2}, 1100544, 551680),
    ("BertModel", "bert", {**SMALL, "type_vocab_size": 2, "num_key_value_heads": None}, 1204992, 605056),
    ("BertForSequenceClassification", "bert", {**SMALL, "type_vocab_size": 2, "num_labels": 3, "num_key_value_heads":
     None}, 1272588, 672652),
    ("XLMRobertaModel", "xlm-roberta", {**SMALL, "max_position_embeddings": 514, "type_vocab_size": 1,
     "num_key_value_heads": None}, 1221376, 613248),
    ("XLMRobertaForSequenceClassification", "xlm-roberta", {**SMALL, "max_position_embeddings": 514,
     "type_vocab_size": 1, "num_labels": 1, "num_key_value_heads": None}, 1287940, 679812),
    ("ModernBertModel", "modernbert", {**SMALL, "local_attention": 32, "global_attn_every_n_layers": 3,
     "num_key_value_heads": None}, 1246976, 624384),
    ("WhisperForConditionalGeneration", "whisper", {"d_model": 128, "encoder_layers": 2, "encoder_attention_heads": 8,
     "encoder_ffn_dim": 256, "decoder_layers": 3, "decoder_attention_heads": 8, "decoder_ffn_dim": 512,
     "num_hidden_layers": 2, "num_mel_bins": 80, "max_source_positions": 1500, "max_target_positions": 448,
     "vocab_size": 1000, "is_encoder_decoder": True, "tie_word_embeddings": True}, 3033344, 1979648),
    ("OlmoForCausalLM", "olmo", {**SMALL, "tie_word_embeddings": False}, 1359872, 679936),
    ("OlmoeForCausalLM", "olmoe", {**SMALL, "num_experts": 8, "num_experts_per_tok": 2, "tie_word_embeddings": False},
     5497536, 2753216),
    ("InternLM3ForCausalLM", "internlm3", {**SMALL, "head_dim": 32, "qkv_bias": True, "bias": False,
     "tie_word_embeddings": False}, 1609728, 805760),
    ("InternLM3ForCausalLM", "internlm3", {**SMALL, "qkv_bias": False, "bias": True, "tie_word_embeddings": True},
     1100288, 551424),
    ("ExaoneForCausalLM", "exaone", {**SMALL, "num_layers": 3, "tie_word_embeddings": True}, 1099520, 550656),
    ("ExaoneForCausalLM", "exaone", {**SMALL, "num_layers": 3, "attention_bias": True, "mlp_bias": True,
     "tie_word_embeddings": False}, 1367424, 685376),
    ("NemotronForCausalLM", "nemotron", {**SMALL, "head_dim": 32, "attention_bias": False, "mlp_bias": False,
     "tie_word_embeddings": False}, 1412608, 708096),
    ("NemotronForCausalLM", "nemotron", {**SMALL, "attention_bias": True, "mlp_bias": True, "tie_word_embeddings":
     True}, 908928, 457024),
    ("ArceeForCausalLM", "arcee", {**SMALL, "tie_word_embeddings": False}, 1165056, 583424),
    ("ArceeForCausalLM", "arcee", {**SMALL, "tie_word_embeddings": True, "attention_bias": True, "mlp_bias": True},
     907136, 455232),
    ("SmolLM3ForCausalLM", "smollm3", {**SMALL, "tie_word_embeddings": True}, 1099520, 550656),
    ("SmolLM3ForCausalLM", "smollm3", {**SMALL, "tie_word_embeddings": False, "attention_bias": True, "mlp_bias":
     True, "use_sliding_window": True, "sliding_window": 64, "layer_types": ["sliding_attention", "full_attention",
     "sliding_attention"]}, 1367424, 685376),
    ("MiniCPMForCausalLM", "minicpm", {**SMALL, "tie_word_embeddings": True}, 1099520, 550656),
    ("MiniCPMForCausalLM", "minicpm", {**SMALL, "tie_word_embeddings": False, "num_experts": 8, "num_experts_per_tok":
     2}, 5496576, 2752256),
    ("MiniCPM3ForCausalLM", "minicpm3", {**SMALL, "num_key_value_heads": 8, "q_lora_rank": 64, "kv_lora_rank": 32,
     "qk_nope_head_dim": 32, "qk_rope_head_dim": 16, "v_head_dim": 32}, 1382720, 735552),
    ("Zamba2ForCausalLM", "zamba2", {**SMALL, "num_hidden_layers": 6, "num_key_value_heads": 8, "ffn_hidden_size":
     256, "layers_block_type": ["mamba", "mamba", "hybrid", "mamba", "hybrid", "hybrid"], "num_mem_blocks": 2,
     "adapter_rank": 16, "mamba_d_state": 16, "mamba_d_conv": 4, "mamba_expand": 2, "mamba_ngroups": 1,
     "n_mamba_heads": 8, "mamba_headdim": 32, "use_shared_attention_adapter": False}, 2997760, 1575232),
    ("Zamba2ForCausalLM", "zamba2", {**SMALL, "num_hidden_layers": 4, "layers_block_type": ["mamba", "hybrid",
     "mamba", "hybrid"], "num_mem_blocks": 1, "adapter_rank": 16, "mamba_d_state": 16, "mamba_d_conv": 4,
     "mamba_expand": 2, "mamba_ngroups": 2, "n_mamba_heads": 8, "mamba_headdim": 32, "use_shared_attention_adapter":
     True, "add_bias_linear": True}, 2006592, 1037728),
    ("DbrxForCausalLM", "dbrx", {"d_model": 128, "n_heads": 8, "n_layers": 3, "max_seq_len": 512, "vocab_size": 1000,
     "attn_config": {"clip_qkv": 8, "kv_n_heads": 2, "rope_theta": 500000}, "ffn_config": {"ffn_hidden_size": 256,
     "moe_num_experts": 4, "moe_top_k": 2}, "tie_word_embeddings": False}, 3134208, 1569536),
    ("GraniteMoeSharedForCausalLM", "granitemoeshared", {**SMALL, "num_local_experts": 8, "num_experts_per_tok": 2,
     "shared_intermediate_size": 64, "tie_word_embeddings": True}, 5381888, 2694912),
    ("GraniteMoeSharedForCausalLM", "granitemoeshared", {**SMALL, "num_local_experts": 8, "num_experts_per_tok": 2,
     "shared_intermediate_size": 64, "tie_word_embeddings": False, "attention_bias": True}, 5644032, 2825984),
    ("BailingMoeForCausalLM", "bailing_moe", {**SMALL, "head_dim": 16, "moe_intermediate_size": 64, "num_experts": 8,
     "num_experts_per_tok": 2, "num_shared_experts": 2, "first_k_dense_replace": 0, "use_bias": False, "use_qkv_bias":
     False, "tie_word_embeddings": False}, 2252544, 1130240),
    ("BailingMoeV2ForCausalLM", "bailing_moe_v2", {**SMALL, "moe_intermediate_size": 64, "num_experts": 8,
     "num_experts_per_tok": 2, "num_shared_experts": 1, "first_k_dense_replace": 1, "use_bias": False, "use_qkv_bias":
     False, "tie_word_embeddings": False, "head_dim": 32, "use_qk_norm": True, "moe_router_enable_expert_bias": True,
     "num_nextn_predict_layers": 1}, 2103872, 1055296),
    ("BailingMoeV2ForCausalLM", "bailing_moe_v2", {**SMALL, "moe_intermediate_size": 64, "num_experts": 8,
     "num_experts_per_tok": 2, "num_shared_experts": 1, "first_k_dense_replace": 1, "use_bias": False, "use_qkv_bias":
     True, "tie_word_embeddings": True, "head_dim": 32, "use_qk_norm": True, "use_rmsnorm": True,
     "moe_router_enable_expert_bias": True, "router_dtype": "fp32"}, 1847744, 929088),
    ("LongcatFlashForCausalLM", "longcat_flash", {"hidden_size": 128, "num_layers": 2, "num_hidden_layers": 4,
     "num_attention_heads": 8, "ffn_hidden_size": 256, "q_lora_rank": 64, "kv_lora_rank": 512, "qk_nope_head_dim": 128,
     "qk_rope_head_dim": 64, "head_dim": 64, "v_head_dim": 128, "moe_topk": 2, "n_routed_experts": 8,
     "zero_expert_num": 4, "zero_expert_type": "identity", "expert_ffn_hidden_size": 64, "vocab_size": 1000,
     "max_position_embeddings": 512}, 12995424, 6835040),
    ("AfmoeForCausalLM", "afmoe", {**SMALL, "num_hidden_layers": 4, "head_dim": 32, "num_dense_layers": 1,
     "num_experts": 8, "num_experts_per_tok": 2, "num_shared_experts": 1, "moe_intermediate_size": 64,
     "sliding_window": 64, "global_attn_every_n_layers": 4, "tie_word_embeddings": False}, 2982752, 1500000),
]
# fmt: on


def model_of(architecture: str, kind: str, config: dict[str, Any]) -> Model:
    return read_model({"architectures": [architecture], "model_type": kind, "dtype": "bfloat16", **config})


def rank_bytes(model: Model, tensor: int) -> int:
    split = Split(tensor=tensor, experts=1, moe_tensor=tensor, capability=(9, 0))
    layers = [module for number in model.pattern for module in model.groups[number].modules]
    modules = [*layers, *model.embedding, *model.head, *model.towers]
    return sum(module_bytes(module, split) for module in modules)


def small(architecture: str, number: int = 0) -> Model:
    found = [case for case in CASES if case[0] == architecture]
    return model_of(*found[number][:3])


@pytest.mark.parametrize(
    ("architecture", "kind", "config", "alone", "halved"),
    CASES,
    ids=[f"{case[0]}-{number}" for number, case in enumerate(CASES)],
)
def test_every_rank_holds_the_engines_bytes(
    architecture: str, kind: str, config: dict[str, Any], alone: int, halved: int
) -> None:
    model = model_of(architecture, kind, config)
    assert (rank_bytes(model, 1), rank_bytes(model, 2)) == (alone, halved)


@pytest.mark.parametrize("architecture", ["BertModel", "XLMRobertaModel", "ModernBertModel"])
def test_encoders_cache_nothing(architecture: str) -> None:
    assert all(group.caches == () for group in small(architecture).groups)


def test_layers_of_nemotron_nas_have_their_own_key_heads_or_none() -> None:
    model = small("DeciLMForCausalLM")
    found = [model.groups[number].caches for number in model.pattern]
    assert found == [(FullAttention(2, 64),), (), (FullAttention(4, 64),), (FullAttention(2, 64),)]


def test_deci_without_block_configs_is_refused() -> None:
    with pytest.raises(ConfigError, match="block_configs"):
        model_of("DeciLMForCausalLM", "deci", {**SMALL, "num_key_value_heads_per_layer": [4, 2, 1]})


def test_whisper_keeps_its_own_keys_and_those_of_the_encoder() -> None:
    model = small("WhisperForConditionalGeneration")
    assert model.layers == 3
    assert model.groups[0].caches == (FullAttention(8, 16), CrossAttention(8, 16))


def test_recurrent_layers_keep_a_convolution_and_a_state() -> None:
    states = (State(256, columns=3), State(256, 16, recurrent=True))
    assert small("MambaForCausalLM").groups[0].caches == (StateSpace("mamba1", states),)
    convolution = State(256, columns=3, groups=2, group_width=32, speculative=True)
    states = (convolution, State(8, 512, recurrent=True))
    assert small("Mamba2ForCausalLM").groups[0].caches == (StateSpace("mamba2", states),)


def test_lfm2_mixes_short_convolutions_and_attention() -> None:
    model = small("Lfm2ForCausalLM")
    convolution = StateSpace("short_conv", (State(128, columns=2, speculative=True),))
    found = [model.groups[number].caches for number in model.pattern]
    assert found == [(convolution,), (FullAttention(2, 16),), (convolution,)]


def test_shared_blocks_of_zamba2_have_a_cache_at_every_use() -> None:
    model = small("Zamba2ForCausalLM")
    caches = [cache for number in model.pattern for cache in model.groups[number].caches]
    assert caches.count(FullAttention(8, 32)) == 3
    assert sum(isinstance(cache, StateSpace) for cache in caches) == 6


def test_windows_stand_where_the_config_puts_them() -> None:
    assert small("MistralModel").groups[0].caches == (SlidingWindow(2, 16, 64),)
    model = small("AfmoeForCausalLM")
    kinds = [type(model.groups[number].caches[0]) for number in model.pattern]
    assert kinds == [SlidingWindow, SlidingWindow, SlidingWindow, FullAttention]


def test_latent_projections_do_not_make_a_latent_cache() -> None:
    assert small("MiniCPM3ForCausalLM").groups[0].caches == (FullAttention(8, 48),)
    assert [type(cache) for cache in small("LongcatFlashForCausalLM").groups[0].caches] == [Latent, Latent]


def test_one_key_head_serves_every_query_of_starcoder_and_falcon_7b() -> None:
    assert small("GPTBigCodeForCausalLM").groups[0].caches == (FullAttention(1, 16),)
    assert small("FalconForCausalLM", 1).groups[0].caches == (FullAttention(1, 16),)


def test_embedding_models_have_no_language_model_head() -> None:
    assert not any("lm_head" in module.name for module in small("Qwen2Model").head)
