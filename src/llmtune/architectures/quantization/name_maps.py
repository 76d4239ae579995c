"""Renamings and fused modules of the model classes whose own differ from the usual.

Source: vLLM 0.33.0, ``hf_to_vllm_mapper`` and ``packed_modules_mapping`` of the classes in model_executor/models and
models/deepseek_v4. Renamings that only touch tensors (".weight", "_scale") are left out.
"""

from __future__ import annotations

_Fused = dict[str, tuple[str, ...]]
_QKV = ("q_proj", "k_proj", "v_proj")
_GATE_UP = ("gate_proj", "up_proj")
_QKV_ONLY: _Fused = {"qkv_proj": _QKV}
_MLA: _Fused = {"gate_up_proj": _GATE_UP, "fused_qkv_a_proj": ("q_a_proj", "kv_a_proj_with_mqa")}
_DELTA_NET: _Fused = {
    "qkv_proj": _QKV,
    "gate_up_proj": _GATE_UP,
    "qkv": ("qkv",),
    "in_proj_qkvz": ("in_proj_qkv", "in_proj_z"),
    "in_proj_ba": ("in_proj_b", "in_proj_a"),
}
_DEEPSEEK_V4: _Fused = {
    "gate_up_proj": ("w1", "w3"),
    "fused_wqa_wkv": ("wq_a", "wkv"),
    "fused_wkv_wgate": ("wkv", "wgate"),
}

FUSED: dict[str, _Fused] = {
    **dict.fromkeys(
        (
            "Qwen3MoeForCausalLM",
            "Qwen2MoeForCausalLM",
            "Qwen3VLMoeForConditionalGeneration",
            "MiniMaxM2ForCausalLM",
            "LagunaForCausalLM",
            "MixtralForCausalLM",
            "NemotronHForCausalLM",
            "GptOssForCausalLM",
            "NemotronForCausalLM",
            "OlmoeForCausalLM",
        ),
        _QKV_ONLY,
    ),
    **dict.fromkeys(
        (
            "DeepseekForCausalLM",
            "DeepseekV2ForCausalLM",
            "DeepseekV3ForCausalLM",
            "DeepseekV32ForCausalLM",
            "Glm4MoeLiteForCausalLM",
            "GlmMoeDsaForCausalLM",
            "KimiK25ForConditionalGeneration",
            "KimiK3ForConditionalGeneration",
        ),
        _MLA,
    ),
    **dict.fromkeys(
        (
            "Qwen3_5ForCausalLM",
            "Qwen3_5MoeForCausalLM",
            "Qwen3_5ForConditionalGeneration",
            "Qwen3_5MoeForConditionalGeneration",
        ),
        _DELTA_NET,
    ),
    "DeepseekV4ForCausalLM": _DEEPSEEK_V4,
    "Phi3ForCausalLM": {},
    "InternLM2ForCausalLM": {"gate_up_proj": ("w1", "w3")},
    "GPT2LMHeadModel": {},
    "GraniteMoeHybridForCausalLM": _QKV_ONLY,
}

_Renaming = tuple[tuple[str, str | None], ...]
_LANGUAGE: _Renaming = (("model.language_model.", "language_model.model."),)
_HEAD: _Renaming = (("lm_head.", "language_model.lm_head."),)
_VISUAL: _Renaming = (("model.visual.", "visual."), *_HEAD, *_LANGUAGE)
VISION_PREFIXES: _Renaming = (
    *_LANGUAGE,
    ("model.vision_tower.", "vision_tower."),
    ("model.multi_modal_projector.", "multi_modal_projector."),
    ("model.visual.", "visual."),
    *_HEAD,
)

PREFIXES: dict[str, _Renaming] = {
    **dict.fromkeys(("Qwen3VLForConditionalGeneration", "Qwen3VLMoeForConditionalGeneration"), _VISUAL),
    **dict.fromkeys(
        ("Qwen3_5ForConditionalGeneration", "Qwen3_5MoeForConditionalGeneration"), (*_VISUAL, ("mtp.", None))
    ),
    **dict.fromkeys(
        ("Qwen3_5ForCausalLM", "Qwen3_5MoeForCausalLM"), (("model.language_model.", "model."), ("mtp.", None))
    ),
    **dict.fromkeys(
        ("Qwen2VLForConditionalGeneration", "Qwen2_5_VLForConditionalGeneration"),
        (*_LANGUAGE, ("model.visual.", "visual."), *_HEAD, ("model.", "language_model.model.")),
    ),
    "Qwen3OmniMoeForConditionalGeneration": (
        ("thinker.lm_head.", "language_model.lm_head."),
        ("thinker.model.", "language_model.model."),
        ("thinker.", ""),
        ("talker.", None),
        ("code2wav.", None),
        ("model.", "language_model.model."),
        *_HEAD,
    ),
    "Gemma4ForConditionalGeneration": (
        ("model.vision_tower", "vision_tower"),
        ("model.embed_vision", "embed_vision"),
        ("model.audio_tower.", "audio_tower."),
        ("model.embed_audio.", "embed_audio."),
        *_LANGUAGE,
        *_HEAD,
        ("model", "language_model.model"),
    ),
    "Mistral3ForConditionalGeneration": (
        *_LANGUAGE,
        ("model.vision_tower.", "vision_tower."),
        ("model.multi_modal_projector.", "multi_modal_projector."),
        *_HEAD,
        ("model.", "language_model.model."),
    ),
    "MiniMaxM3SparseForConditionalGeneration": (
        ("multi_modal_projector.", "vision_tower.multi_modal_projector."),
        ("patch_merge_mlp.", "vision_tower.patch_merge_mlp."),
    ),
    **dict.fromkeys(
        ("KimiK25ForConditionalGeneration", "KimiK3ForConditionalGeneration"),
        (
            ("language_model.layers.", "language_model.model.layers."),
            ("mm_projector.proj.0", "mm_projector.linear_1"),
            ("mm_projector.proj.2", "mm_projector.linear_2"),
        ),
    ),
    "Llama4ForConditionalGeneration": (),
    "NemotronHForCausalLM": (("backbone", "model"), ("mtp", None)),
    "NemotronH_Nano_VL_V2": (("language_model.backbone", "language_model.model"),),
    "Qwen3NextForCausalLM": (("mtp.", None),),
    "MuseGlimmerForConditionalGeneration": (
        ("model.language_model.", "model."),
        ("language_model.", "model."),
        ("model.vision_tower.", "vision_encoder."),
        ("vision_tower.", "vision_encoder."),
        ("model.vision_encoder.", "vision_encoder."),
        ("model.vision_adapter.", "vision_adapter."),
        ("model.vision_projection.", "vision_projection."),
    ),
    "DeepseekV4ForCausalLM": (
        ("layers.", "model.layers."),
        ("embed.", "model.embed."),
        ("norm.", "model.norm."),
        ("mtp.", "model.mtp."),
    ),
    **dict.fromkeys(("CohereForCausalLM", "Cohere2ForCausalLM"), (("lm_head", None),)),
}

SUBSTRINGS: dict[str, _Renaming] = {
    "NemotronHForCausalLM": (("A_log", "A"), ("embeddings", "embed_tokens")),
    "DeepseekV4ForCausalLM": ((".shared_experts.w2", ".shared_experts.down_proj"), ("mtp.", None)),
    "GptOssForCausalLM": ((".self_attn.", ".attn."),),
    "MixtralForCausalLM": ((".gate_proj.", ".w1."), (".up_proj.", ".w3."), (".down_proj.", ".w2.")),
    "MiniMaxM3SparseForConditionalGeneration": ((".mlp.fc1.", ".fc1."), (".mlp.fc2.", ".fc2.")),
    "FalconH1ForCausalLM": (("mamba", "mamba.mamba"),),
    "JambaForCausalLM": ((".self_attn.", "."),),
    "Lfm2MoeForCausalLM": ((".conv.", ".short_conv."),),
    "Lfm2ForCausalLM": ((".conv.", ".short_conv."),),
}

EXPERT_NAMES: dict[str, tuple[str, str, str]] = dict.fromkeys(
    (
        "MixtralForCausalLM",
        "MiniMaxM2ForCausalLM",
        "MiniMaxM3SparseForConditionalGeneration",
        "DeepseekV4ForCausalLM",
        "PhiMoEForCausalLM",
    ),
    ("w1", "w3", "w2"),
)
