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
from llmtune.spec.weights import Linear, Shard

if TYPE_CHECKING:
    from llmtune.spec.model import Model
    from llmtune.spec.weights import Module

ARCHITECTURES = ("KimiK3ForConditionalGeneration",)
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
RANKS = 8  # K3 needs at least one node of eight GPUs


def describe(config: Config) -> Model:
    """Model from a config.json; compressed-tensors checkpoints never quantise the tower."""
    model = kimi_linear.describe(text_part(config))
    vision = Config({**DEFAULTS, **config.part("vision_config").data}, "vision_config")
    towers = (*_encoder(vision), *_projector(vision, model.hidden))
    return with_towers(model, unquantized(towers) if is_compressed(config) else towers)


def _encoder(vision: Config) -> tuple[Module, ...]:
    """The tower: whole on every rank where its heads do not divide (vision.py::is_vit_use_data_parallel)."""
    tower = moonvit(vision)
    if vision.size("vt_num_attention_heads") % RANKS == 0:
        return tower
    return tuple(replace(module, shard=Shard.NONE) if isinstance(module, Linear) else module for module in tower)


def _projector(vision: Config, out: int) -> tuple[Module, ...]:
    """Two linear layers over merged patches and a norm, whole on every rank."""
    joint = vision.size("vt_hidden_size") * merged_patches(vision)
    return (
        whole("mm_projector.linear_1", joint, joint),
        whole("mm_projector.linear_2", joint, out),
        norm("mm_projector.post_norm", out),
    )
