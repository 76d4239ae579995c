"""MiniCPM-V 2.5, 2.6, 4.0 and 4.5: Llama, Qwen2 or Qwen3 with a SigLIP tower and a resampler.

Version 2.0 is left out: its tower comes from timm.
Source: vLLM 0.33.0 model_executor/models/minicpmv.py, idefics2_vision_model.py, layers/resampler.py.
"""

from __future__ import annotations

from math import sqrt
from typing import TYPE_CHECKING

from llmtune.architectures import llama, qwen2, qwen3
from llmtune.architectures.config import Config, ConfigError
from llmtune.architectures.parts import norm
from llmtune.architectures.vision import plain, siglip_tower, with_towers
from llmtune.spec.weights import Vector

if TYPE_CHECKING:
    from llmtune.spec.model import Model
    from llmtune.spec.weights import Module

ARCHITECTURES = ("MiniCPMV",)
SLICES = 9  # of an image, beside the whole of it (MiniCPMVProcessingInfo.get_image_max_slice_num)
FRAMES = 16  # of a video, one slice each (minicpmv.py::_MAX_FRAMES_PER_VIDEO)
NO_VIDEO = ("2.5",)
FAMILIES = {"2.5": llama, "2.6": qwen2, "4.0": llama, "4.5": qwen3}


def describe(config: Config) -> Model:
    """Model from a config.json; ``version`` names the language model, its keys stand in the outer config."""
    version = str(config.data.get("version", "2.5"))
    if version not in FAMILIES:
        raise ConfigError(f"config.json: MiniCPM-V {version} is not known here (known: {', '.join(FAMILIES)})")
    model, vision = FAMILIES[version].describe(config), config.part("vision_config")
    depth = vision.layers() - config.flag("drop_vision_last_layer")
    tower = siglip_tower(Config({**vision.data, "num_hidden_layers": depth}, "vision_config"), "vpm")
    resampler = _resampler(model.hidden, vision.size("hidden_size"), config.size("query_num"))
    item = _largest_item(config, vision, video=version not in NO_VIDEO)
    return with_towers(model, (*tower, *resampler), "llm.", item=item)


def _largest_item(config: Config, vision: Config, *, video: bool) -> tuple[int, int]:
    """Tokens and patches of a video where the version reads any, else of an image, nine times as high as wide.

    The whole image is shrunk to the area of a slice, and all slices are padded to the patches of the largest.
    Source: minicpmv.py::MiniCPMVProcessingInfo.get_max_video_tokens, get_image_size_with_most_features,
    processors/minicpmv.py::find_best_resize.
    """
    queries, side = config.size("query_num"), config.size("image_size", default=448)
    patch = max(vision.size("patch_size"), 1)
    if video:
        return FRAMES * queries, FRAMES * (side // patch) ** 2
    shrunk = round(side / sqrt(SLICES) / patch) * round(side * sqrt(SLICES) / patch)
    return (SLICES + 1) * queries, (SLICES + 1) * max(shrunk, (side // patch) ** 2)


def _resampler(hidden: int, width: int, queries: int, prefix: str = "resampler") -> tuple[Module, ...]:
    """Learnt queries that attend to the tower's output, whole on every rank."""
    modules: tuple[Module, ...] = (
        Vector(f"{prefix}.query", queries, hidden),
        Vector(f"{prefix}.proj", hidden, hidden),
        Vector(f"{prefix}.attn.in_proj", 3 * hidden, hidden + 1),
        plain(f"{prefix}.attn.out_proj", hidden, hidden, bias=True),
        *(norm(f"{prefix}.{name}", hidden, bias=True) for name in ("ln_q", "ln_kv", "ln_post")),
    )
    return (*modules, plain(f"{prefix}.kv_proj", width, hidden)) if width != hidden else modules
