"""Pixtral 12B and Large in Mistral's own form: Mistral with a Pixtral tower and an adapter.

Source: vLLM 0.33.0 model_executor/models/pixtral.py::PixtralForConditionalGeneration.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.architectures import llama
from llmtune.architectures.mistral3 import largest_square
from llmtune.architectures.parts import norm
from llmtune.architectures.vision import pixtral_tower, plain, text_part, with_towers

if TYPE_CHECKING:
    from llmtune.architectures.config import Config
    from llmtune.spec.model import Model
    from llmtune.spec.weights import Module

ARCHITECTURES = ("PixtralForConditionalGeneration",)


def describe(config: Config) -> Model:
    """Model from the config that vLLM makes of params.json."""
    model, vision = llama.describe(text_part(config)), config.part("vision_config")
    width, bias = vision.size("hidden_size"), vision.flag("adapter_bias", default=True)
    towers: tuple[Module, ...] = (
        *pixtral_tower(vision, "vision_encoder"),
        plain("vision_language_adapter.w_in", width, model.hidden, bias=bias),
        plain("vision_language_adapter.w_out", model.hidden, model.hidden, bias=bias),
    )
    if vision.flag("add_pre_mm_projector_layer_norm"):
        towers = (*towers, norm("pre_mm_projector_norm", width))
    merge = vision.size("spatial_merge_size", default=2) if vision.text("mm_projector_id") == "patch_merge" else 1
    if merge > 1:
        towers = (*towers, plain("patch_merger.merging_layer", width * merge**2, width))
    return with_towers(model, towers, item=largest_square(vision, merge))
