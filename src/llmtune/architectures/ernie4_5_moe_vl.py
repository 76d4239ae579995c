"""ERNIE 4.5 VL: attention that all tokens share, and one set of routed experts for text and one for images.

Source: vLLM 0.33.0 model_executor/models/ernie45_vl_moe.py, ernie45_vl.py.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from llmtune.architectures.config import ConfigError
from llmtune.architectures.parts import (
    attention,
    column,
    decoder,
    experts,
    full,
    layer_norms,
    mlp,
    norm,
    read_heads,
    router,
)
from llmtune.architectures.vision import encoder_blocks, plain, square_item, text_part, unquantized, with_towers
from llmtune.spec.model import LayerGroup
from llmtune.spec.weights import Vector

if TYPE_CHECKING:
    from llmtune.architectures.config import Config
    from llmtune.spec.model import Model
    from llmtune.spec.weights import Module

ARCHITECTURES = ("Ernie4_5_VLMoeForConditionalGeneration",)
BLOCK = ("norm1", "attn.qkv", "attn.proj", "norm2", "mlp.fc1", "mlp.fc2")
PIXELS = 4_842_768  # of the largest image: size.longest_edge of Ernie4_5_VLMoeImageProcessor (28 x 28 x 6177)
KINDS = ("text", "vision")


def describe(config: Config) -> Model:
    """Model from a config.json; its head is tied unless the config says otherwise."""
    text = text_part(config)
    heads = read_heads(text)
    bias = text.flag("use_bias")
    common = (*attention(heads, bias=bias, out_bias=bias), *layer_norms(heads.hidden))
    layers = []
    for depth in range(text.layers()):
        routed = _is_routed(text, depth)
        feed = _moe(text, heads.hidden) if routed else mlp(heads.hidden, text.size("intermediate_size"), bias=bias)
        layers.append(LayerGroup((*common, *feed), (full(heads),)))
    model = decoder(text, heads, layers, tied_default=True)
    vision = config.part("vision_config")
    item = square_item(PIXELS, vision.size("patch_size"), config.size("spatial_conv_size", default=2))
    return with_towers(model, (*_tower(vision), *_resampler(config, heads.hidden)), item=item)


def _is_routed(config: Config, depth: int) -> bool:
    """Whether a layer has experts; vLLM loads only layers that have them for text and images alike."""
    if not config.items("moe_num_experts") or (depth + 1) % (config.size("moe_layer_interval", default=1) or 1):
        return False
    starts, last = config.items("moe_layer_start_index"), config.layers() - 1
    ends = config.items("moe_layer_end_index") or [last, last]
    inside = [int(start) <= depth <= int(end) for start, end in zip(starts, ends, strict=False)]
    if any(inside) and not all(inside):
        raise ConfigError(f"config.json: layer {depth} has experts for text or images only, which vLLM does not load")
    return any(inside)


def _moe(config: Config, hidden: int) -> tuple[Module, ...]:
    """Two routers in 32 bit, two sets of experts of different width, one shared MLP."""
    counts, widths = config.items("moe_num_experts"), config.items("moe_intermediate_size")
    modules: tuple[Module, ...] = (Vector("mlp.e_score_correction_bias", 2, int(counts[0]), bytes=4),)
    for kind, count, width in zip(KINDS, counts, widths, strict=False):
        gate = replace(router(hidden, int(count), name=f"mlp.{kind}_experts_gate", fp32=True), fixed=False)
        modules = (*modules, gate, experts(config, hidden, int(width), int(count), name=f"mlp.{kind}_experts"))
    shared = config.size("moe_num_shared_experts", default=0) * int(widths[0])
    return (*modules, *mlp(hidden, shared, name="mlp.shared_experts")) if shared else modules


def _tower(vision: Config, prefix: str = "vision_model") -> tuple[Module, ...]:
    """The rotary vision transformer."""
    width = vision.size("hidden_size", "embed_dim")
    pixels = vision.size("in_channels", "in_chans", default=3) * vision.size("patch_size") ** 2
    return (
        plain(f"{prefix}.patch_embed.proj", pixels, width),
        *encoder_blocks(
            f"{prefix}.blocks",
            vision.layers("depth"),
            width,
            vision.size("num_heads"),
            int(width * vision.number("mlp_ratio", 4.0)),
            BLOCK,
        ),
        norm(f"{prefix}.ln", width, bias=True),
    )


def _resampler(config: Config, out: int, prefix: str = "resampler_model") -> tuple[Module, ...]:
    """Merges patches in space, then in time; built without a quantisation config."""
    joint = config.size("pixel_hidden_size") * config.size("spatial_conv_size", default=2) ** 2
    modules: tuple[Module, ...] = (
        column(f"{prefix}.spatial_linear1", joint, joint, bias=True),
        column(f"{prefix}.spatial_linear2", joint, joint, bias=True),
        norm(f"{prefix}.spatial_norm", joint, bias=True),
        column(f"{prefix}.mlp", joint, out, bias=True),
        norm(f"{prefix}.after_norm", out),
    )
    if config.flag("use_temporal_conv", default=True):
        both = joint * config.size("temporal_conv_size", default=2)
        modules = (
            *modules,
            column(f"{prefix}.temporal_linear1", both, joint, bias=True),
            column(f"{prefix}.temporal_linear2", joint, joint, bias=True),
            norm(f"{prefix}.temporal_norm", joint, bias=True),
        )
    return unquantized(modules)
