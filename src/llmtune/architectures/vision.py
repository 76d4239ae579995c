"""Vision towers and how a text model is wrapped with them.

A tower is a flat list of modules on the first pipeline stage. The text model keeps its layers; only the names that
quantisation configs match on get the prefix of the wrapper.
"""

from __future__ import annotations

from dataclasses import replace
from math import isqrt
from typing import TYPE_CHECKING

from llmtune.architectures import family_of
from llmtune.architectures.config import Config, ConfigError
from llmtune.architectures.parts import column, norm, row, whole
from llmtune.spec.weights import Linear, Shard, Slice, Vector

if TYPE_CHECKING:
    from collections.abc import Iterable

    from llmtune.spec.model import Model
    from llmtune.spec.weights import Module

SHARED_KEYS = ("tie_word_embeddings", "vocab_size")  # read from the outer config where the inner one lacks them


def text_part(config: Config, key: str = "text_config") -> Config:
    """The text model's config; a few keys may stand outside it."""
    inner = config.part(key)
    if not inner.data:
        return config
    outer = {name: config.data[name] for name in SHARED_KEYS if name in config.data}
    return Config({**outer, **inner.data}, key)


CAUSAL = {
    "granite": "GraniteForCausalLM",
    "llama": "LlamaForCausalLM",
    "mistral": "MistralForCausalLM",
    "qwen2": "Qwen2ForCausalLM",
    "qwen3": "Qwen3ForCausalLM",
}  # architectures of text models whose config names only a model type


def language_model(config: Config, key: str) -> Model:
    """The text model of a wrapper that takes any: the architecture stands in its own config, or follows its type.

    Raises:
        ConfigError: when neither says which one it is.

    """
    text = text_part(config, key)
    kind, named = text.text("model_type"), text.items("architectures")
    name = str(named[0]) if named else CAUSAL.get(kind, "")
    if not name or text is config:
        raise ConfigError(f"config.json: '{key}.architectures' is missing; it is needed to know the layers")
    model: Model = family_of(name, kind).describe(text)
    return model


def with_towers(
    model: Model,
    towers: Iterable[Module],
    prefix: str = "language_model.",
    *,
    item: tuple[int, int] = (0, 0),
    video: tuple[int, int, int] | None = None,
) -> Model:
    """A text model inside a multimodal one: names get the prefix, towers stand on the first stage.

    ``item`` are the tokens and the patches of the largest item that start-up encodes; ``video`` those of one step of a
    video that grows with the context, and the most steps that the engine takes.
    """
    return replace(
        model,
        layer_prefix=prefix + model.layer_prefix,
        embedding=tuple(replace(module, name=prefix + module.name) for module in model.embedding),
        head=tuple(replace(module, name=prefix + module.name) for module in model.head),
        towers=tuple(towers),
        multimodal=True,
        item_tokens=item[0],
        item_patches=item[1],
        video_step=video,
    )


def merged_item(pixels: int, patch: int, merge: int) -> tuple[int, int]:
    """Tokens and patches of the image with most of them in an area of ``pixels``.

    Source: qwen2_vl.py::Qwen2VLProcessingInfo.get_image_size_with_most_features. It takes the next lower number of
    tokens where one cannot be laid out within an aspect ratio of 200; the areas in use are squares.
    """
    tokens = pixels // max(patch * merge, 1) ** 2
    return tokens, tokens * merge**2


def square_item(pixels: int, patch: int, merge: int) -> tuple[int, int]:
    """Tokens and patches of the largest square in an area of ``pixels`` (smart_resize of a huge square image)."""
    tokens = (isqrt(pixels) // max(patch * merge, 1)) ** 2
    return tokens, tokens * merge**2


def patch_grid(vision: Config) -> int:
    """Patches along a side of an image of the tower's own size."""
    return vision.size("image_size") // max(vision.size("patch_size"), 1)


def fused_qkv(name: str, hidden: int, heads: int, width: int, *, bias: bool = True) -> Linear:
    """Fused query, key and value of a tower, split by heads."""
    part = Slice(heads, width)
    return Linear(name, hidden, (part, part, part), Shard.COLUMN, bias)


def encoder_blocks(
    prefix: str, depth: int, hidden: int, heads: int, intermediate: int, names: tuple[str, str, str, str, str, str]
) -> tuple[Module, ...]:
    """``depth`` CLIP-like blocks with biases and layer norms; ``names`` are norm, qkv, out, norm, up, down."""
    first, qkv, out, second, up, down = names
    modules: list[Module] = []
    for index in range(depth):
        here = f"{prefix}.{index}."
        modules += (
            norm(here + first, hidden, bias=True),
            fused_qkv(here + qkv, hidden, heads, hidden // heads),
            row(here + out, hidden, hidden, bias=True),
            norm(here + second, hidden, bias=True),
            column(here + up, hidden, intermediate, bias=True),
            row(here + down, intermediate, hidden, bias=True),
        )
    return tuple(modules)


QWEN3_BLOCK = ("norm1", "attn.qkv", "attn.proj", "norm2", "mlp.linear_fc1", "mlp.linear_fc2")
SIGLIP_BLOCK = (
    "layer_norm1",
    "self_attn.qkv_proj",
    "self_attn.out_proj",
    "layer_norm2",
    "mlp.fc1",
    "mlp.fc2",
)


def qwen3_tower(vision: Config, prefix: str = "visual") -> tuple[Module, ...]:
    """The tower of Qwen3-VL, Qwen3-Omni and Qwen3.5 (qwen3_vl.py::Qwen3_VisionTransformer)."""
    hidden, merge = vision.size("hidden_size"), vision.size("spatial_merge_size", default=2)
    pixels = vision.size("in_channels", default=3) * vision.size("patch_size", default=16) ** 2
    patch = pixels * vision.size("temporal_patch_size", default=2)
    joint, out = hidden * merge**2, vision.size("out_hidden_size")
    modules: list[Module] = [
        Vector(f"{prefix}.patch_embed.proj", hidden, patch + 1),
        Vector(f"{prefix}.pos_embed", vision.size("num_position_embeddings"), hidden),
        *encoder_blocks(
            f"{prefix}.blocks",
            vision.layers("depth", "num_hidden_layers"),
            hidden,
            vision.size("num_heads", "num_attention_heads"),
            vision.size("intermediate_size"),
            QWEN3_BLOCK,
        ),
    ]
    mergers = [("merger", hidden)]
    mergers += [(f"deepstack_merger_list.{i}", joint) for i in range(len(vision.items("deepstack_visual_indexes")))]
    for name, width in mergers:
        modules += (
            norm(f"{prefix}.{name}.norm", width, bias=True),
            column(f"{prefix}.{name}.linear_fc1", joint, joint, bias=True),
            row(f"{prefix}.{name}.linear_fc2", joint, out, bias=True),
        )
    return tuple(modules)


def qwen2_tower(vision: Config, prefix: str = "visual") -> tuple[Module, ...]:
    """The tower of Qwen2.5-VL, gated MLP and RMS norms (qwen2_5_vl.py::Qwen2_5_VisionTransformer)."""
    hidden, merge = vision.size("hidden_size"), vision.size("spatial_merge_size", default=2)
    pixels = vision.size("in_channels", "in_chans", default=3) * vision.size("patch_size", default=14) ** 2
    heads, width = vision.size("num_heads"), vision.size("intermediate_size")
    joint, out = hidden * merge**2, vision.size("out_hidden_size")
    modules: list[Module] = [
        Vector(f"{prefix}.patch_embed.proj", hidden, pixels * vision.size("temporal_patch_size", default=2))
    ]
    for index in range(vision.layers("depth")):
        here = f"{prefix}.blocks.{index}."
        modules += (
            norm(here + "norm1", hidden),
            norm(here + "norm2", hidden),
            fused_qkv(here + "attn.qkv", hidden, heads, hidden // heads),
            row(here + "attn.proj", hidden, hidden, bias=True),
            column(here + "mlp.gate_up_proj", hidden, width, width, bias=True),
            row(here + "mlp.down_proj", width, hidden, bias=True),
        )
    return (
        *modules,
        norm(f"{prefix}.merger.ln_q", hidden),
        column(f"{prefix}.merger.mlp.0", joint, joint, bias=True),
        row(f"{prefix}.merger.mlp.2", joint, out, bias=True),
    )


def siglip_tower(vision: Config, prefix: str = "vision_tower.vision_model") -> tuple[Module, ...]:
    """A SigLIP tower without a pooling head (siglip.py::SiglipVisionTransformer)."""
    hidden, patch = vision.size("hidden_size"), vision.size("patch_size")
    positions = (vision.size("image_size") // max(patch, 1)) ** 2
    return (
        Vector(f"{prefix}.embeddings.patch_embedding", hidden, vision.size("num_channels", default=3) * patch**2 + 1),
        Vector(f"{prefix}.embeddings.position_embedding", positions, hidden),
        *encoder_blocks(
            f"{prefix}.encoder.layers",
            vision.layers(),
            hidden,
            vision.size("num_attention_heads"),
            vision.size("intermediate_size"),
            SIGLIP_BLOCK,
        ),
        norm(f"{prefix}.post_layernorm", hidden, bias=True),
    )


def pixtral_tower(vision: Config, prefix: str = "vision_tower") -> tuple[Module, ...]:
    """A Pixtral tower: RMS norms, gated MLP, no biases (pixtral.py::PixtralHFVisionModel)."""
    hidden, heads = vision.size("hidden_size"), vision.size("num_attention_heads")
    width, patch = vision.size("intermediate_size"), vision.size("patch_size")
    dim = vision.size("head_dim", default=hidden // max(heads, 1))
    modules: list[Module] = [
        Vector(f"{prefix}.patch_conv", hidden, vision.size("num_channels", default=3) * patch**2),
        norm(f"{prefix}.ln_pre", hidden),
    ]
    for index in range(vision.layers()):
        here = f"{prefix}.transformer.layers.{index}."
        modules += (
            norm(here + "attention_norm", hidden),
            norm(here + "ffn_norm", hidden),
            fused_qkv(here + "attention.qkv_proj", hidden, heads, dim, bias=False),
            row(here + "attention.o_proj", heads * dim, hidden),
            column(here + "feed_forward.gate_up_proj", hidden, width, width),
            row(here + "feed_forward.down_proj", width, hidden),
        )
    return tuple(modules)


def plain(name: str, inputs: int, outputs: int, *, bias: bool = False) -> Linear:
    """A linear layer outside vLLM's sharded classes: whole on every rank and never quantised."""
    return whole(name, inputs, outputs, bias=bias, fixed=True)


def unquantized(modules: Iterable[Module]) -> tuple[Module, ...]:
    """The same modules, kept in 16 bit whatever the quantisation says (built without a quantisation config)."""
    return tuple(replace(module, fixed=True) if isinstance(module, Linear) else module for module in modules)


def is_compressed(config: Config) -> bool:
    """Whether the checkpoint is quantised with compressed-tensors, which some towers do not take part in."""
    for part in (config, config.part("text_config")):
        if part.part("quantization_config").text("quant_method").replace("_", "-") == "compressed-tensors":
            return True
    return False
