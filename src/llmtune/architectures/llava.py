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
    return with_towers(model, towers)


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
