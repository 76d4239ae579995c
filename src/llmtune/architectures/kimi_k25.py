"""Kimi K2.5, K2.6 and K2.7: DeepSeek-V3's layers with a MoonViT tower.

Source: vLLM 0.33.0 model_executor/models/kimi_k25.py, kimi_k25_vit.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.architectures import deepseek_v3
from llmtune.architectures.kimi_vl import moonvit, projector, shrunk_item
from llmtune.architectures.vision import is_compressed, text_part, unquantized, with_towers

if TYPE_CHECKING:
    from llmtune.architectures.config import Config
    from llmtune.spec.model import Model

ARCHITECTURES = ("KimiK25ForConditionalGeneration",)

SIDE = 3000  # of the image that start-up encodes (kimi_k25.py::MaxImageTokenMeta)
LIMIT = 16_384  # patches that it is shrunk to: in_patch_limit of the published preprocessor_config.json


def describe(config: Config) -> Model:
    """Model from a config.json; compressed-tensors never quantises the tower, nothing the projector."""
    model = deepseek_v3.describe(text_part(config))
    vision = config.part("vision_config")
    tower = unquantized(moonvit(vision)) if is_compressed(config) else moonvit(vision)
    towers = (*tower, *unquantized(projector(vision, model.hidden, "mm_projector")))
    return with_towers(model, towers, item=shrunk_item(vision, SIDE, LIMIT))
