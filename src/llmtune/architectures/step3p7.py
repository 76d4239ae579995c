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
# The largest image (step3_vl.py::MAX_IMAGE_SIZE), its crops and the whole of it (processors/step3_vl.py).
LARGEST, CROP, WHOLE = 3024, 504, 728
CROP_TOKENS, WHOLE_TOKENS, MARKS = 81, 169, 2
KERNEL = 9  # each of the two downsampling convolutions is 3 x 3 and doubles the width


def describe(config: Config) -> Model:
    """Model from a config.json."""
    model = step3p5.describe(text_part(config))
    vision = config.part("vision_config")
    out = column(
        "vit_large_projector", vision.size("width") * 4, model.hidden, bias=config.flag("projector_bias", default=True)
    )
    return with_towers(model, (*_tower(vision), out), item=_largest_image(vision))


def _largest_image(vision: Config) -> tuple[int, int]:
    """Tokens and patches of the crops and the whole image (Step3VLImageProcessor.get_num_image_tokens).

    Two marks stand around each of them and a newline behind every row of crops but the last.
    """
    rows, patch = LARGEST // CROP, max(vision.size("patch_size"), 1)
    tokens = rows**2 * (CROP_TOKENS + MARKS) + WHOLE_TOKENS + MARKS + rows - 1
    return tokens, rows**2 * (CROP // patch) ** 2 + (WHOLE // patch) ** 2


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
