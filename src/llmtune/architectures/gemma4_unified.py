"""Gemma 4 12B: Gemma 4's layers; image patches and audio frames are projected without a tower.

The projections are no tower to vLLM: every pipeline stage builds them and the last norm, and text-only serving keeps
them. So they stand in the head.
Source: vLLM 0.33.0 model_executor/models/gemma4_unified.py, gemma4_mm.py::Gemma4MultimodalEmbedder.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from llmtune.architectures import gemma4
from llmtune.architectures.config import Config
from llmtune.architectures.gemma3_mm import bidirectional
from llmtune.architectures.parts import BOTH, column, norm
from llmtune.architectures.vision import plain, text_part, with_towers
from llmtune.spec.weights import Vector

if TYPE_CHECKING:
    from llmtune.spec.model import Model
    from llmtune.spec.weights import Module

ARCHITECTURES = ("Gemma4UnifiedForConditionalGeneration",)


def describe(config: Config) -> Model:
    """Model from a config.json."""
    text, audio = text_part(config), config.part("audio_config")
    model = gemma4.describe(Config(text.data, text.path))
    vision = config.part("vision_config")
    inputs = _vision(vision, model.hidden)
    if audio.data:
        width = audio.size("output_proj_dims", "hidden_size")
        inputs = (*inputs, plain("embed_audio.embedding_projection", width, model.hidden))
    model = with_towers(model, (), item=gemma4.largest_item(vision.size("num_soft_tokens", default=280), 1))
    model = replace(model, head=(*model.head, *inputs), unstaged=BOTH[1:])
    return bidirectional(model) if text.text("use_bidirectional_attention") == "vision" else model


def _vision(vision: Config, hidden: int, prefix: str = "vision_embedder") -> tuple[Module, ...]:
    """Patches of pixels through norm, linear layer and norm, with learnt positions."""
    width, patch = vision.size("mm_embed_dim"), 3 * vision.size("model_patch_size") ** 2
    return (
        Vector(f"{prefix}.pos_embedding", 2 * vision.size("mm_posemb_size"), width),
        norm(f"{prefix}.patch_ln1", patch, bias=True),
        column(f"{prefix}.patch_dense", patch, width, bias=True),
        norm(f"{prefix}.patch_ln2", width, bias=True),
        norm(f"{prefix}.pos_norm", width, bias=True),
        plain("embed_vision.embedding_projection", vision.size("output_proj_dims", "hidden_size"), hidden),
    )
