"""Qwen3.5, 3.6 and 3.8 with their vision tower.

Source: vLLM 0.33.0 model_executor/models/qwen3_5.py, qwen3_vl.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.architectures import qwen3_next
from llmtune.architectures.qwen3_vl import largest_image
from llmtune.architectures.vision import qwen3_tower, text_part, with_towers

if TYPE_CHECKING:
    from llmtune.architectures.config import Config
    from llmtune.spec.model import Model

ARCHITECTURES = ("Qwen3_5ForConditionalGeneration", "Qwen3_5MoeForConditionalGeneration")


def describe(config: Config) -> Model:
    """Model from a config.json."""
    model = qwen3_next.describe(text_part(config))
    vision = config.part("vision_config")
    return with_towers(model, qwen3_tower(vision), item=largest_image(vision))
