"""Llama 4 Scout and Maverick: chunked attention in three of four layers, routed and shared experts, vision tower.

Source: vLLM 0.33.0 model_executor/models/llama4.py, mllama4.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.architectures.parts import (
    attention,
    column,
    decoder,
    full,
    layer_norms,
    mlp,
    norm,
    read_heads,
    router,
    row,
)
from llmtune.architectures.vision import encoder_blocks, patch_grid, text_part, with_towers
from llmtune.spec.model import ChunkedLocal, LayerGroup
from llmtune.spec.weights import Experts, Vector

if TYPE_CHECKING:
    from llmtune.architectures.config import Config
    from llmtune.spec.model import Model
    from llmtune.spec.weights import Module

ARCHITECTURES = ("Llama4ForCausalLM", "Llama4ForConditionalGeneration")
TILES = 16  # of the largest image: max_patches of Llama4ImageProcessor and of the published preprocessor_config.json
BLOCK = (
    "input_layernorm",
    "self_attn.qkv_proj",
    "self_attn.o_proj",
    "post_attention_layernorm",
    "mlp.fc1",
    "mlp.fc2",
)


def describe(config: Config) -> Model:
    """Model from a config.json."""
    model = _describe_text(text_part(config))
    vision = config.part("vision_config")
    if not vision.data:
        return model
    return with_towers(model, _tower(vision, model.hidden), item=_largest_image(vision))


def _largest_image(vision: Config) -> tuple[int, int]:
    """Tokens and patches of all tiles and a thumbnail, each with a class token (Mllama4ProcessingInfo)."""
    patches, ratio = patch_grid(vision) ** 2, vision.number("pixel_shuffle_ratio", 0.5)
    folded = round(1 / ratio**2) if ratio else 1
    return (TILES + 1) * (patches // max(folded, 1)), (TILES + 1) * (patches + 1)


def _describe_text(config: Config) -> Model:
    heads = read_heads(config)
    chunk = config.size("attention_chunk_size", default=0)
    no_rope = config.items("no_rope_layers")  # 1 where a layer has rotary positions, which is where it is chunked
    step = config.size("interleave_moe_layer_step", default=1)
    common = (*attention(heads, bias=config.flag("attention_bias")), *layer_norms(heads.hidden))
    layers = []
    for depth in range(config.layers()):
        routed = step > 0 and (depth + 1) % step == 0
        width = config.size("intermediate_size_mlp", default=0)
        feed = _moe(config, heads.hidden) if routed else mlp(heads.hidden, width, name="feed_forward")
        local = bool(no_rope[depth]) if no_rope else (depth + 1) % 4 != 0
        cache = ChunkedLocal(heads.kv_heads, heads.head_dim, chunk) if chunk and local else full(heads)
        layers.append(LayerGroup((*common, *feed), (cache,)))
    return decoder(config, heads, layers)


def _moe(config: Config, hidden: int) -> tuple[Module, ...]:
    count, width = config.size("num_local_experts"), config.size("intermediate_size")
    top_k = config.size("num_experts_per_tok", default=1)
    return (
        router(hidden, count, name="feed_forward.router"),
        Experts("feed_forward.experts", count, hidden, width, top_k),
        *mlp(hidden, width, name="feed_forward.shared_expert"),
    )


def _tower(vision: Config, hidden: int) -> tuple[Module, ...]:
    width, patch = vision.size("hidden_size"), vision.size("patch_size")
    positions = (vision.size("image_size") // max(patch, 1)) ** 2 + 1
    joint, out = vision.size("intermediate_size"), vision.size("projector_output_dim")
    channels = vision.size("num_channels", default=3)
    return (
        Vector("vision_model.class_embedding", width),
        Vector("vision_model.positional_embedding_vlm", positions, width),
        column("vision_model.patch_embedding.linear", channels * patch**2, width),
        norm("vision_model.layernorm_pre", width, bias=True),
        norm("vision_model.layernorm_post", width, bias=True),
        *encoder_blocks(
            "vision_model.model.layers",
            vision.layers(),
            width,
            vision.size("num_attention_heads"),
            joint,
            BLOCK,
        ),
        column("vision_model.vision_adapter.mlp.fc1", joint, vision.size("projector_input_dim")),
        row("vision_model.vision_adapter.mlp.fc2", vision.size("projector_input_dim"), out),
        column("multi_modal_projector.linear_1", vision.size("vision_output_dim"), hidden),
    )
