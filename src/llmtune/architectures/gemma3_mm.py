"""Gemma 3 with its SigLIP tower (4B, 12B, 27B).

Source: vLLM 0.33.0 model_executor/models/gemma3_mm.py.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from llmtune.architectures import gemma3
from llmtune.architectures.parts import norm
from llmtune.architectures.vision import patch_grid, siglip_tower, text_part, with_towers
from llmtune.spec.model import FullAttention, LayerGroup, SlidingWindow
from llmtune.spec.weights import Vector

if TYPE_CHECKING:
    from llmtune.architectures.config import Config
    from llmtune.spec.model import Cache, Model

ARCHITECTURES = ("Gemma3ForConditionalGeneration",)


def describe(config: Config) -> Model:
    """Model from a config.json. Start-up encodes an image without crops (Gemma3ProcessingInfo.get_num_image_tokens)."""
    model = gemma3.describe(text_part(config))
    vision = config.part("vision_config")
    width = vision.size("hidden_size")
    projector = (
        Vector("multi_modal_projector.mm_input_projection_weight", width, model.hidden),
        norm("multi_modal_projector.mm_soft_emb_norm", width),
    )
    item = config.size("mm_tokens_per_image", default=256), patch_grid(vision) ** 2
    return bidirectional(with_towers(model, (*siglip_tower(vision), *projector), item=item))


def bidirectional(model: Model) -> Model:
    """The same model with caches whose image tokens see each other both ways."""
    groups = tuple(LayerGroup(group.modules, tuple(map(_both_ways, group.caches))) for group in model.groups)
    return replace(model, groups=groups)


def _both_ways(cache: Cache) -> Cache:
    return replace(cache, bidirectional=True) if isinstance(cache, FullAttention | SlidingWindow) else cache
