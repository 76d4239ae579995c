"""Kimi K3: Kimi Linear's layers with a MoonViT tower of its own shape.

Source: vLLM 0.33.0 models/kimi_k3/nvidia/model.py, model_executor/models/kimi_k25_vit.py, configs/kimi_k3.py.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from llmtune.architectures import kimi_linear
from llmtune.architectures.config import Config
from llmtune.architectures.kimi_vl import merged_patches, moonvit
from llmtune.architectures.parts import norm, whole
from llmtune.architectures.vision import is_compressed, text_part, unquantized, with_towers
from llmtune.spec.model import LayerGroup
from llmtune.spec.weights import Linear

if TYPE_CHECKING:
    from llmtune.spec.model import Model
    from llmtune.spec.weights import Module

ARCHITECTURES = ("KimiK3ForConditionalGeneration",)
# Tokens along the sides of the largest image. KimiK3ProcessingInfo.get_max_image_size finds it by trying all sizes:
# 1861 x 7041 with in_patch_limit 65,536 and patch_limit_on_one_side 512 of the published preprocessor_config.json.
SIDES = (67, 251)
# What KimiK3VisionConfig assumes where a config.json is silent.
DEFAULTS = {
    "vt_num_attention_heads": 12,
    "vt_num_hidden_layers": 27,
    "vt_hidden_size": 1024,
    "vt_intermediate_size": 4096,
    "qkv_hidden_size": 1536,
    "norm_type": "rmsnorm",
    "attn_bias": False,
    "patch_embed_proj_bias": False,
    "linear_bias": False,
}


def describe(config: Config) -> Model:
    """Model from a config.json; compressed-tensors never quantises the tower, nothing the projector."""
    text = text_part(config)
    model = kimi_linear.describe(text)
    if _only_experts(config) or _only_experts(text):
        groups = tuple(LayerGroup(unquantized(group.modules), group.caches) for group in model.groups)
        model = replace(model, groups=groups)
    vision = Config({**DEFAULTS, **config.part("vision_config").data}, "vision_config")
    tower = unquantized(_encoder(vision)) if is_compressed(config) else _encoder(vision)
    tokens = SIDES[0] * SIDES[1]
    towers = (*tower, *unquantized(_projector(vision, model.hidden)))
    return with_towers(model, towers, item=(tokens, tokens * merged_patches(vision)))


def _only_experts(config: Config) -> bool:
    """Whether vLLM reads the checkpoint as ``mxfp4``, which quantises experts and nothing else.

    Source: model_executor/models/config.py::KimiK3ForConditionalGenerationConfig.
    """
    return config.part("quantization_config").text("format") == "mxfp4-pack-quantized"


def _encoder(vision: Config) -> tuple[Module, ...]:
    """The tower: whole on every rank where its heads do not divide (vision.py::is_vit_use_data_parallel)."""
    tower = moonvit(vision)
    heads = vision.size("vt_num_attention_heads")
    return tuple(replace(module, heads=heads) if isinstance(module, Linear) else module for module in tower)


def _projector(vision: Config, out: int) -> tuple[Module, ...]:
    """Two linear layers over merged patches and a norm, whole on every rank."""
    joint = vision.size("vt_hidden_size") * merged_patches(vision)
    return (
        whole("mm_projector.linear_1", joint, joint),
        whole("mm_projector.linear_2", joint, out),
        norm("mm_projector.post_norm", out),
    )
