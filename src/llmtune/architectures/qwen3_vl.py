"""Qwen3-VL (dense and experts): Qwen3 with a vision tower.

Source: vLLM 0.33.0 model_executor/models/qwen3_vl.py, qwen3_vl_moe.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.architectures import qwen3, qwen3_moe
from llmtune.architectures.vision import qwen3_tower, text_part, with_towers

if TYPE_CHECKING:
    from llmtune.architectures.config import Config
    from llmtune.spec.model import Model

ARCHITECTURES = ("Qwen3VLForConditionalGeneration", "Qwen3VLMoeForConditionalGeneration")


def describe(config: Config) -> Model:
    """Model from a config.json."""
    text = text_part(config)
    family = qwen3_moe if qwen3_moe.expert_count(text) else qwen3
    return with_towers(family.describe(text), qwen3_tower(config.part("vision_config")))
