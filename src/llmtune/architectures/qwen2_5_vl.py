"""Qwen2.5-VL: Qwen2 with a vision tower.

Source: vLLM 0.33.0 model_executor/models/qwen2_5_vl.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.architectures import qwen2
from llmtune.architectures.qwen2_vl import largest_image, video
from llmtune.architectures.vision import qwen2_tower, text_part, with_towers

if TYPE_CHECKING:
    from llmtune.architectures.config import Config
    from llmtune.spec.model import Model

ARCHITECTURES = ("Qwen2_5_VLForConditionalGeneration",)


def describe(config: Config) -> Model:
    """Model from a config.json; the text model's keys may stand outside ``text_config``."""
    vision = config.part("vision_config")
    return with_towers(
        qwen2.describe(text_part(config)), qwen2_tower(vision), item=largest_image(vision), video=video(vision)
    )
