"""Muse Glimmer: gated attention with windows in three of four layers, a vision tower.

Source: vLLM 0.33.0 model_executor/models/muse_glimmer.py.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from llmtune.architectures.gemma3 import FOUR_NORMS
from llmtune.architectures.parts import BOTH, attention, column, decoder, layer_norms, mlp, norm, read_heads, windowed
from llmtune.architectures.vision import encoder_blocks, plain, text_part
from llmtune.spec.model import LayerGroup
from llmtune.spec.weights import Linear, Shard, Vector

if TYPE_CHECKING:
    from llmtune.architectures.config import Config
    from llmtune.spec.model import Model
    from llmtune.spec.weights import Module

ARCHITECTURES = ("MuseGlimmerForConditionalGeneration",)
TOKENS = 4096  # of the largest image (MuseGlimmerImageProcessor.max_image_tokens)
VIDEO = (144, 576, 48)  # tokens and patches of a frame, and the most frames
BLOCK = ("ln_1", "attn.qkv_proj", "attn.o_proj", "ln_2", "mlp.c_fc", "mlp.c_proj")


def describe(config: Config) -> Model:
    """Model from a config.json."""
    text = text_part(config)
    heads = read_heads(text)
    modules = (
        *attention(heads, bias=text.flag("attention_bias")),
        column("self_attn.output_gate_proj", heads.hidden, heads.heads * heads.head_dim),
        *mlp(heads.hidden, text.size("intermediate_size")),
        *layer_norms(heads.hidden, *FOUR_NORMS),
    )
    kinds, window = text.items("layer_types"), text.size("sliding_window", default=0)
    layers = []
    for depth in range(text.layers()):
        slides = kinds[depth] == "sliding_attention"
        layers.append(LayerGroup(modules, (windowed(heads, window if slides else 0),)))
    model = decoder(text, heads, layers, unstaged=BOTH)
    patches = TOKENS * config.part("vision_config").size("merge_size", default=2) ** 2
    return replace(
        model, towers=_tower(config), multimodal=True, item_tokens=TOKENS, item_patches=patches, video_step=VIDEO
    )


def _tower(config: Config) -> tuple[Module, ...]:
    vision = config.part("vision_config")
    width, patch = vision.size("hidden_size"), vision.size("patch_size")
    positions = vision.size("pos_emb_height") * vision.size("pos_emb_width")
    pixels = vision.size("num_channels", default=3) * patch**2 * vision.size("patch_temporal", default=2)
    joint, inner = config.size("out_hidden_size"), config.size("projector_hidden_size")
    heads, wide = vision.size("num_attention_heads"), vision.size("intermediate_size")
    blocks = encoder_blocks("vision_encoder.transformer", vision.layers(), width, heads, wide, BLOCK)
    return (
        Vector("vision_encoder.positional_embedding_vlm", positions, width),
        plain("vision_encoder.conv1_linear", pixels, width),
        norm("vision_encoder.ln_pre", width, bias=True),
        *map(_whole_mlp, blocks),
        norm("vision_encoder.ln_post", width, bias=True),
        plain("vision_adapter.c_fc", joint, inner),
        plain("vision_adapter.c_proj", inner, inner),
        plain("vision_projection", inner, config.part("text_config").size("hidden_size")),
    )


def _whole_mlp(module: Module) -> Module:
    """The tower's MLPs are whole on every rank; only its attention is split."""
    return replace(module, shard=Shard.NONE) if isinstance(module, Linear) and ".mlp." in module.name else module
