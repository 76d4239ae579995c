"""Step 3.7 Flash: Step 3.5 with a Perception Encoder tower.

Source: vLLM 0.33.0 model_executor/models/step3p7.py, step_vl.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.architectures import step3p5
from llmtune.architectures.parts import column, norm
from llmtune.architectures.vision import encoder_blocks, text_part, with_towers
from llmtune.spec.weights import Vector

if TYPE_CHECKING:
    from llmtune.architectures.config import Config
    from llmtune.spec.model import Model
    from llmtune.spec.weights import Module

ARCHITECTURES = ("Step3p7ForConditionalGeneration",)
BLOCK = ("ln_1", "attn.qkv_proj", "attn.out_proj", "ln_2", "mlp.fc1", "mlp.fc2")
KERNEL = 9  # each of the two downsampling convolutions is 3 x 3 and doubles the width


def describe(config: Config) -> Model:
    """Model from a config.json."""
    model = step3p5.describe(text_part(config))
    vision = config.part("vision_config")
    out = column(
        "vit_large_projector", vision.size("width") * 4, model.hidden, bias=config.flag("projector_bias", default=True)
    )
    return with_towers(model, (*_tower(vision), out))


def _tower(vision: Config, prefix: str = "vision_model") -> tuple[Module, ...]:
    """CLIP-like blocks with layer scales, and two convolutions that shrink the grid."""
    width, depth, patch = vision.size("width"), vision.layers("layers"), vision.size("patch_size")
    tokens = vision.flag("use_cls_token")
    modules: list[Module] = [
        Vector(f"{prefix}.conv1", width, 3 * patch**2),
        *encoder_blocks(
            f"{prefix}.transformer.resblocks",
            depth,
            width,
            vision.size("heads"),
            int(width * vision.number("mlp_ratio", 4.0)),
            BLOCK,
        ),
        Vector(f"{prefix}.vit_downsampler1", 2 * width, width * KERNEL + 1),
        Vector(f"{prefix}.vit_downsampler2", 4 * width, 2 * width * KERNEL + 1),
    ]
    if vision.number("ls_init_value", 0.0):
        modules.append(Vector(f"{prefix}.transformer.resblocks.ls", 2 * depth, width))
    if tokens:
        modules.append(Vector(f"{prefix}.class_embedding", width))
    if vision.flag("use_abs_posemb", default=True):
        positions = (vision.size("image_size") // max(patch, 1)) ** 2 + tokens
        modules.append(Vector(f"{prefix}.positional_embedding", positions, width))
    if vision.flag("use_ln_pre", default=True):
        modules.append(norm(f"{prefix}.ln_pre", width, bias=True))
    if vision.flag("use_ln_post", default=True):
        modules.append(norm(f"{prefix}.ln_post", width, bias=True))
    return tuple(modules)
