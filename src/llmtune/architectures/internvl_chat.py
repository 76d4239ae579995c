"""InternVL 2 to 3.5: any language model with an InternViT tower.

Source: vLLM 0.33.0 model_executor/models/internvl.py, intern_vit.py.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from llmtune.architectures.parts import norm
from llmtune.architectures.vision import encoder_blocks, language_model, patch_grid, plain, with_towers
from llmtune.spec.weights import Linear, Vector

if TYPE_CHECKING:
    from llmtune.architectures.config import Config
    from llmtune.spec.model import Model
    from llmtune.spec.weights import Module

ARCHITECTURES = ("InternVLChatModel",)
FRAMES = 1 << 20  # a video has as many frames as the context holds, one tile each, since 0.9.0
BLOCK = ("norm1", "attn.qkv", "attn.proj", "norm2", "mlp.fc1", "mlp.fc2")


def describe(config: Config) -> Model:
    """Model from a config.json."""
    model = language_model(config, "llm_config" if config.has("llm_config") else "text_config")
    vision = config.part("vision_config")
    ratio = config.number("downsample_ratio", 0.5)
    joint = vision.size("hidden_size") * int(1 / ratio) ** 2 if ratio else 0
    projector = (
        norm("mlp1.0", joint, bias=True),
        plain("mlp1.1", joint, model.hidden, bias=True),
        plain("mlp1.3", model.hidden, model.hidden, bias=True),
    )
    image = _largest_image(config, vision)
    frames = (int(patch_grid(vision) ** 2 * ratio**2), patch_grid(vision) ** 2 + 1, FRAMES)
    return with_towers(model, (*_tower(config, vision), *projector), item=image, video=frames)


def _largest_image(config: Config, vision: Config) -> tuple[int, int]:
    """Tokens and patches of all tiles and the thumbnail, each with a class token.

    Source: internvl.py::BaseInternVLProcessingInfo.get_max_image_tokens, processors/internvl.py.
    """
    tiles = config.size("max_dynamic_patch", default=6) if config.flag("dynamic_image_size") else 1
    tiles += tiles > 1 and config.flag("use_thumbnail")
    patches = patch_grid(vision) ** 2
    return tiles * int(patches * config.number("downsample_ratio", 0.5) ** 2), tiles * (patches + 1)


def _tower(config: Config, vision: Config, prefix: str = "vision_model") -> tuple[Module, ...]:
    """Blocks with layer scales, up to the layer that ``select_layer`` takes."""
    hidden, patch = vision.size("hidden_size"), vision.size("patch_size")
    positions = (vision.size("image_size") // max(patch, 1)) ** 2 + 1
    depth = _depth(config, vision.layers())
    pixels = vision.size("num_channels", default=3) * patch**2
    blocks = encoder_blocks(
        f"{prefix}.encoder.layers",
        depth,
        hidden,
        vision.size("num_attention_heads"),
        vision.size("intermediate_size"),
        BLOCK,
    )
    modules = (
        Vector(f"{prefix}.embeddings.class_embedding", hidden),
        Vector(f"{prefix}.embeddings.position_embedding", positions, hidden),
        Vector(f"{prefix}.embeddings.patch_embedding", hidden, pixels + 1),
        Vector(f"{prefix}.encoder.layers.ls", 2 * depth, hidden),
        *(_fitted(module, vision) for module in blocks),
    )
    if vision.flag("qk_normalization"):
        modules = (*modules, Vector(f"{prefix}.encoder.layers.attn.qk_norm", 2 * depth, hidden))
    return modules


def _fitted(module: Module, vision: Config) -> Module:
    """A block's module as this tower has it: RMS norms without bias, QKV without bias, whole attention of odd heads.

    Attention stays whole on every rank where its heads do not divide (InternViT-6B has 25).
    """
    if isinstance(module, Vector):
        return (
            module if vision.text("norm_type", "layer_norm") != "rms_norm" else replace(module, units=module.units // 2)
        )
    if not isinstance(module, Linear) or ".attn." not in module.name:
        return module
    bias = module.bias if module.name.endswith(".proj") else vision.flag("qkv_bias")
    return replace(module, bias=bias, heads=vision.size("num_attention_heads"))


def _depth(config: Config, layers: int) -> int:
    """Blocks that are built (internvl.py::InternVLChatModel._init_vision_model)."""
    chosen = config.data.get("select_layer", -1)
    chosen = chosen if isinstance(chosen, int) else -1
    return layers + chosen + 1 if chosen < 0 else chosen + 1
