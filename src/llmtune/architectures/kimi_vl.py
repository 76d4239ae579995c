"""Kimi-VL: DeepSeek-V3's layers with a MoonViT tower.

Source: vLLM 0.33.0 model_executor/models/kimi_vl.py, moonvit.py.
"""

from __future__ import annotations

from math import isqrt, sqrt
from typing import TYPE_CHECKING

from llmtune.architectures import deepseek_v3
from llmtune.architectures.parts import column, norm, row, whole
from llmtune.architectures.vision import fused_qkv, text_part, unquantized, with_towers
from llmtune.spec.weights import Vector

if TYPE_CHECKING:
    from llmtune.architectures.config import Config
    from llmtune.spec.model import Model
    from llmtune.spec.weights import Module

ARCHITECTURES = ("KimiVLForConditionalGeneration",)
SIDE = 1024  # of the image that start-up encodes (kimi_vl.py::MaxImageTokenMeta)
LIMIT = 4096  # patches that it is shrunk to: in_token_limit of the published preprocessor_config.json
MERGED = 4  # patches that the projector folds into one, where the config does not say (2 x 2)


def describe(config: Config) -> Model:
    """Model from a config.json."""
    model = deepseek_v3.describe(text_part(config))
    vision = config.part("vision_config")
    towers = (*moonvit(vision), *projector(vision, model.hidden, "multi_modal_projector"))
    return with_towers(model, unquantized(towers), item=shrunk_item(vision, SIDE, LIMIT))


def shrunk_item(vision: Config, side: int, limit: int) -> tuple[int, int]:
    """Tokens and patches of a square that is shrunk to ``limit`` patches, then padded to whole tokens.

    Source: kimi_vl.py::KimiVLProcessingInfo.get_num_image_tokens, processors/kimi_k25_vision_fused.py.
    """
    patch, merged = max(vision.size("patch_size", default=14), 1), merged_patches(vision)
    grid = max(side // patch, 1)
    tokens = (-(-int(side * min(1.0, sqrt(limit / grid**2))) // max(patch * isqrt(merged), 1))) ** 2
    return tokens, tokens * merged


def moonvit(vision: Config, prefix: str = "vision_tower") -> tuple[Module, ...]:
    """A MoonViT tower; Kimi-K2.5 and K3 spell its sizes ``vt_*``, and K3's has RMS norms and no biases."""
    hidden = vision.size("vt_hidden_size", "hidden_size")
    width = vision.size("vt_intermediate_size", "intermediate_size")
    heads = vision.size("vt_num_attention_heads", "num_attention_heads")
    inner = vision.size("qkv_hidden_size", default=hidden)
    attends, linear = vision.flag("attn_bias", default=True), vision.flag("linear_bias", default=True)
    shifts = vision.text("norm_type", "layernorm") == "layernorm"
    rows = vision.size("init_pos_emb_height", "pos_emb_height", default=64)
    columns = vision.size("init_pos_emb_width", "pos_emb_width", default=64)
    pixels = 3 * vision.size("patch_size", default=14) ** 2
    biased = vision.flag("patch_embed_proj_bias", default=True)
    modules: list[Module] = [
        Vector(f"{prefix}.patch_embed.proj", hidden, pixels + biased),
        Vector(f"{prefix}.patch_embed.pos_emb", rows * columns, hidden),
        norm(f"{prefix}.encoder.final_layernorm", hidden, bias=shifts),
    ]
    for index in range(vision.layers("vt_num_hidden_layers", "num_hidden_layers")):
        here = f"{prefix}.encoder.blocks.{index}."
        modules += (
            norm(here + "norm0", hidden, bias=shifts),
            norm(here + "norm1", hidden, bias=shifts),
            column(here + "mlp.fc0", hidden, width, bias=linear),
            row(here + "mlp.fc1", width, hidden, bias=linear),
            fused_qkv(here + "wqkv", hidden, heads, inner // max(heads, 1), bias=attends),
            row(here + "wo", inner, hidden, bias=attends),
        )
    return tuple(modules)


def projector(vision: Config, out: int, prefix: str) -> tuple[Module, ...]:
    """Norm and two linear layers over merged patches, whole on every rank."""
    hidden = vision.size("vt_hidden_size", "hidden_size")
    joint = hidden * merged_patches(vision)
    return (
        norm(f"{prefix}.pre_norm", hidden, bias=True),
        whole(f"{prefix}.linear_1", joint, joint, bias=True),
        whole(f"{prefix}.linear_2", joint, out, bias=True),
    )


def merged_patches(vision: Config) -> int:
    """Patches that the projector folds into one."""
    kernel = vision.items("merge_kernel_size")
    return int(kernel[0]) * int(kernel[1]) if kernel else MERGED
