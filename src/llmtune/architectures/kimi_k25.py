"""Kimi K2.5, K2.6 and K2.7: DeepSeek-V3's layers with a MoonViT tower.

Source: vLLM 0.33.0 model_executor/models/kimi_k25.py, kimi_k25_vit.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.architectures import deepseek_v3
from llmtune.architectures.kimi_vl import moonvit, projector
from llmtune.architectures.vision import is_compressed, text_part, unquantized, with_towers

if TYPE_CHECKING:
    from llmtune.architectures.config import Config
    from llmtune.spec.model import Model

ARCHITECTURES = ("KimiK25ForConditionalGeneration",)


def describe(config: Config) -> Model:
    """Model from a config.json; compressed-tensors never quantises the tower, nothing the projector."""
    model = deepseek_v3.describe(text_part(config))
    vision = config.part("vision_config")
    tower = unquantized(moonvit(vision)) if is_compressed(config) else moonvit(vision)
    return with_towers(model, (*tower, *unquantized(projector(vision, model.hidden, "mm_projector"))))
