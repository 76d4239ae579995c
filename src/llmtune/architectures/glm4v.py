"""GLM-4.1V and GLM-4.5V: GLM-4-0414 or GLM-4.5 with a vision tower.

Source: vLLM 0.33.0 model_executor/models/glm4_1v.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.architectures import glm4_moe
from llmtune.architectures.config import Config
from llmtune.architectures.parts import column, norm, row
from llmtune.architectures.vision import fused_qkv, is_compressed, square_item, text_part, with_towers
from llmtune.spec.weights import Vector

if TYPE_CHECKING:
    from llmtune.spec.model import Model
    from llmtune.spec.weights import Module

ARCHITECTURES = ("Glm4vForConditionalGeneration", "Glm4vMoeForConditionalGeneration")

# Of the largest image, over the frames that a patch spans: size.longest_edge of the published preprocessor_config.json.
PIXELS = 9_633_792


def describe(config: Config) -> Model:
    """Model from a config.json; the outer model type says which text model it is."""
    text = text_part(config)
    kind = "glm4_moe" if config.text("model_type") == "glm4v_moe" else "glm4"
    model = glm4_moe.describe(Config({**text.data, "model_type": kind}, text.path))
    vision = config.part("vision_config")
    tower = _tower(vision, qkv="qkv_proj" if is_compressed(config) else "qkv")
    return with_towers(model, tower, item=_largest_image(vision))


def _largest_image(vision: Config) -> tuple[int, int]:
    """Tokens and patches of the largest image since 0.17 (Glm4vProcessingInfo.get_image_size_with_most_features)."""
    area = PIXELS // max(vision.size("temporal_patch_size", default=2), 1)
    return square_item(area, vision.size("patch_size", default=14), vision.size("spatial_merge_size", default=2))


def _tower(vision: Config, qkv: str, prefix: str = "visual") -> tuple[Module, ...]:
    """Gated blocks without biases, a convolution that merges patches, and a gated merger.

    ``qkv`` is what the quantisation config calls the attention's input projection.
    """
    hidden, out = vision.size("hidden_size"), vision.size("out_hidden_size")
    heads, patch = vision.size("num_heads"), vision.size("patch_size", default=14)
    pixels = vision.size("in_channels", default=3) * patch**2 * vision.size("temporal_patch_size", default=2)
    positions = (vision.size("image_size") // max(patch, 1)) ** 2
    modules: list[Module] = [
        Vector(f"{prefix}.patch_embed.proj", hidden, pixels + 1),
        Vector(f"{prefix}.embeddings.position_embedding", positions, hidden),
        norm(f"{prefix}.post_conv_layernorm", hidden),
        norm(f"{prefix}.post_layernorm", hidden),
        Vector(f"{prefix}.downsample", out, hidden * vision.size("spatial_merge_size", default=2) ** 2 + 1),
    ]
    for index in range(vision.layers("depth")):
        here = f"{prefix}.blocks.{index}."
        modules += (
            fused_qkv(f"{here}attn.{qkv}", hidden, heads, hidden // max(heads, 1), bias=False),
            row(here + "attn.proj", hidden, hidden),
            norm(here + "norm1", hidden),
            norm(here + "norm2", hidden),
            column(here + "mlp.gate_up_proj", hidden, out, out),
            row(here + "mlp.down_proj", out, hidden),
        )
    return (*modules, *_merger(out, vision.size("intermediate_size"), f"{prefix}.merger"))


def _merger(out: int, width: int, prefix: str) -> tuple[Module, ...]:
    return (
        column(f"{prefix}.proj", out, out),
        norm(f"{prefix}.post_projection_norm", out, bias=True),
        column(f"{prefix}.gate_up_proj", out, width, width),
        row(f"{prefix}.down_proj", width, out),
    )
