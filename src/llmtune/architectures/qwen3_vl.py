"""Qwen3-VL (dense and experts): Qwen3 with a vision tower.

Source: vLLM 0.33.0 model_executor/models/qwen3_vl.py, qwen3_vl_moe.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.architectures import qwen3, qwen3_moe
from llmtune.architectures.vision import merged_item, qwen3_tower, text_part, with_towers

if TYPE_CHECKING:
    from llmtune.architectures.config import Config
    from llmtune.spec.model import Model

ARCHITECTURES = ("Qwen3VLForConditionalGeneration", "Qwen3VLMoeForConditionalGeneration")
PIXELS = 16_777_216  # of the largest image: size.longest_edge of the published preprocessor_config.json


def describe(config: Config) -> Model:
    """Model from a config.json."""
    text = text_part(config)
    family = qwen3_moe if qwen3_moe.expert_count(text) else qwen3
    vision = config.part("vision_config")
    return with_towers(family.describe(text), qwen3_tower(vision), item=largest_image(vision))


def largest_image(vision: Config, pixels: int = PIXELS) -> tuple[int, int]:
    """Tokens and patches of the largest image; since 0.15 no video has more (Qwen3VLProcessingInfo)."""
    return merged_item(pixels, vision.size("patch_size", default=16), vision.size("spatial_merge_size", default=2))
