"""Qwen2-VL: Qwen2 with a vision tower.

Source: vLLM 0.33.0 model_executor/models/qwen2_vl.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.architectures import qwen2
from llmtune.architectures.parts import column, norm, row
from llmtune.architectures.vision import encoder_blocks, merged_item, text_part, with_towers
from llmtune.spec.weights import Vector

if TYPE_CHECKING:
    from llmtune.architectures.config import Config
    from llmtune.spec.model import Model
    from llmtune.spec.weights import Module

ARCHITECTURES = ("Qwen2VLForConditionalGeneration",)
PIXELS = 12_845_056  # of the largest image: max_pixels of the published preprocessor_config.json, as in Qwen2.5-VL
STEPS = 7  # pairs of frames
BLOCK = ("norm1", "attn.qkv", "attn.proj", "norm2", "mlp.fc1", "mlp.fc2")


def describe(config: Config) -> Model:
    """Model from a config.json; the text model's keys may stand outside ``text_config``."""
    vision = config.part("vision_config")
    return with_towers(
        qwen2.describe(text_part(config)), _tower(vision), item=largest_image(vision), video=video(vision)
    )


def largest_image(vision: Config, pixels: int = PIXELS) -> tuple[int, int]:
    """Tokens and patches of the largest image (Qwen2VLProcessingInfo.get_max_image_tokens)."""
    return merged_item(pixels, vision.size("patch_size", default=14), vision.size("spatial_merge_size", default=2))


def video(vision: Config, pixels: int = PIXELS) -> tuple[int, int, int]:
    """A video's two frames count as much as the largest image, and at most 14 are profiled.

    Source: qwen2_vl.py::Qwen2VLProcessingInfo.get_num_frames_with_most_features, _MAX_FRAMES_PER_VIDEO; 16 to 0.11.0.
    """
    return (*largest_image(vision, pixels), STEPS)


def _tower(vision: Config, prefix: str = "visual") -> tuple[Module, ...]:
    """Blocks of ``embed_dim`` and a merger to the text model's ``hidden_size``."""
    width, out = vision.size("embed_dim"), vision.size("hidden_size")
    pixels = vision.size("in_chans", "in_channels", default=3) * vision.size("patch_size", default=14) ** 2
    joint = width * vision.size("spatial_merge_size", default=2) ** 2
    return (
        Vector(f"{prefix}.patch_embed.proj", width, pixels * vision.size("temporal_patch_size", default=2)),
        *encoder_blocks(
            f"{prefix}.blocks",
            vision.layers("depth"),
            width,
            vision.size("num_heads"),
            int(width * vision.number("mlp_ratio", 4.0)),
            BLOCK,
        ),
        norm(f"{prefix}.merger.ln_q", width, bias=True),
        column(f"{prefix}.merger.mlp.0", joint, joint, bias=True),
        row(f"{prefix}.merger.mlp.2", joint, out, bias=True),
    )
