"""Mistral Small 3.1 and later, Ministral 3, Devstral 2: Mistral with a Pixtral tower.

Source: vLLM 0.33.0 model_executor/models/mistral3.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.architectures import llama
from llmtune.architectures.parts import column, norm, row
from llmtune.architectures.vision import pixtral_tower, plain, text_part, with_towers

if TYPE_CHECKING:
    from llmtune.architectures.config import Config
    from llmtune.spec.model import Model

ARCHITECTURES = ("Mistral3ForConditionalGeneration",)


def describe(config: Config) -> Model:
    """Model from a config.json."""
    vision = config.part("vision_config")
    model = llama.describe(text_part(config))
    width, merge = vision.size("hidden_size"), config.size("spatial_merge_size", default=2)
    bias = config.flag("multimodal_projector_bias")
    projector = (
        norm("multi_modal_projector.norm", width),
        plain("multi_modal_projector.patch_merger.merging_layer", width * merge**2, width),
        column("multi_modal_projector.linear_1", width, model.hidden, bias=bias),
        row("multi_modal_projector.linear_2", model.hidden, model.hidden, bias=bias),
    )
    return with_towers(model, (*pixtral_tower(vision), *projector), item=largest_square(vision, merge))


def largest_square(vision: Config, merge: int) -> tuple[int, int]:
    """Tokens and patches of a square of the largest side (pixtral.py::PixtralHFEncoderInfo.get_num_image_tokens).

    The markers that end a row of patches are no features and do not count.
    """
    unit = max(vision.size("patch_size") * merge, 1)
    tokens = (-(-vision.size("max_image_size", "image_size") // unit)) ** 2
    return tokens, tokens * merge**2
