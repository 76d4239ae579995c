"""LLaVA 1.5 and LLaVA-NeXT (also Granite Vision and the HF form of Pixtral): any language model, any of three towers.

Source: vLLM 0.33.0 model_executor/models/llava.py, llava_next.py, clip.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.architectures.config import Config, ConfigError
from llmtune.architectures.parts import column, norm, row
from llmtune.architectures.vision import (
    SIGLIP_BLOCK,
    encoder_blocks,
    language_model,
    patch_grid,
    pixtral_tower,
    siglip_tower,
    with_towers,
)
from llmtune.spec.weights import Vector

if TYPE_CHECKING:
    from llmtune.spec.model import Model
    from llmtune.spec.weights import Module

ARCHITECTURES = ("LlavaForConditionalGeneration", "LlavaNextForConditionalGeneration")
NEXT = "llava_next"
# Sizes that an image may be laid out in, where a config.json is silent (LlavaNextConfig).
PINPOINTS = [[336, 672], [672, 336], [672, 672], [1008, 336], [336, 1008]]


def describe(config: Config) -> Model:
    """Model from a config.json."""
    model = language_model(config, "text_config")
    vision = config.part("vision_config")
    chosen = config.data.get("vision_feature_layer", -2)
    features = chosen if isinstance(chosen, list) else [chosen]
    joint = vision.size("hidden_size") * len(features)
    bias = config.flag("multimodal_projector_bias", default=True)
    towers: tuple[Module, ...] = (
        *_tower(Config({**vision.data, "num_hidden_layers": _depth(features, vision.layers())}, "vision_config")),
        column("multi_modal_projector.linear_1", joint, model.hidden, bias=bias),
        row("multi_modal_projector.linear_2", model.hidden, model.hidden, bias=bias),
    )
    if config.text("model_type") == NEXT:
        towers = (*towers, Vector("image_newline", model.hidden))
        return with_towers(model, towers, item=_tiled(config, vision))
    return with_towers(model, towers, item=_single(config, vision))


def _single(config: Config, vision: Config) -> tuple[int, int]:
    """Tokens and patches of one image of the tower's size (llava.py::BaseLlavaProcessingInfo.get_max_image_tokens).

    CLIP works on a class token beside the patches; the feature strategy ``default`` leaves the first feature out.
    """
    patches = patch_grid(vision) ** 2 + (vision.text("model_type") == "clip_vision_model")
    whole = config.text("vision_feature_select_strategy", "default") == "full"
    return (patches if whole else max(patches - 1, 0)), patches


def _tiled(config: Config, vision: Config) -> tuple[int, int]:
    """Tokens and patches of the layout with most of them: tiles, a newline for each of their rows, and a thumbnail.

    Source: llava_next.py::LlavaNextProcessingInfo.get_num_image_tokens, get_image_size_with_most_features.
    """
    base, patches = _single(config, vision)
    side, grid = max(vision.size("image_size"), 1), patch_grid(vision)
    sizes = config.items("image_grid_pinpoints") or PINPOINTS
    tiles = [(int(height) // side, int(width) // side) for height, width in sizes]
    return max((grid * rows * (grid * columns + 1) + base, (rows * columns + 1) * patches) for rows, columns in tiles)


def _depth(features: list[object], layers: int) -> int:
    """Blocks up to the deepest one that is looked at; negative numbers count from the last, which is -1."""
    numbers = [number for number in features if isinstance(number, int)]
    if not numbers:
        raise ConfigError("config.json: 'vision_feature_layer' must be a whole number or a list of them")
    return max(layers + number + 1 if number < 0 else number for number in numbers)


def _tower(vision: Config) -> tuple[Module, ...]:
    """The tower without its last norm, which LLaVA does not use."""
    match vision.text("model_type"):
        case "clip_vision_model":
            return clip_tower(vision)
        case "siglip_vision_model":
            return siglip_tower(vision)[:-1]
        case "pixtral":
            return pixtral_tower(vision)
        case other:
            raise ConfigError(f"config.json: LLaVA's vision tower must be CLIP, SigLIP or Pixtral, not {other!r}")


def clip_tower(vision: Config, prefix: str = "vision_tower.vision_model") -> tuple[Module, ...]:
    """A CLIP tower without its last norm (clip.py::CLIPVisionTransformer)."""
    hidden, patch = vision.size("hidden_size"), vision.size("patch_size")
    positions = (vision.size("image_size") // max(patch, 1)) ** 2 + 1
    return (
        Vector(f"{prefix}.embeddings.class_embedding", hidden),
        Vector(f"{prefix}.embeddings.patch_embedding", hidden, vision.size("num_channels", default=3) * patch**2),
        Vector(f"{prefix}.embeddings.position_embedding", positions, hidden),
        norm(f"{prefix}.pre_layrnorm", hidden, bias=True),
        *encoder_blocks(
            f"{prefix}.encoder.layers",
            vision.layers(),
            hidden,
            vision.size("num_attention_heads"),
            vision.size("intermediate_size"),
            SIGLIP_BLOCK,
        ),
    )
