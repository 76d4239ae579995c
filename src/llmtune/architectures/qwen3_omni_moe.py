"""Qwen3-Omni: the thinker, which is Qwen3-MoE with a vision and an audio tower. vLLM does not load talker and vocoder.

Source: vLLM 0.33.0 model_executor/models/qwen3_omni_moe_thinker.py.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from llmtune.architectures import qwen3_moe
from llmtune.architectures.parts import norm
from llmtune.architectures.qwen2_vl import STEPS
from llmtune.architectures.qwen3_vl import largest_image
from llmtune.architectures.vision import encoder_blocks, plain, qwen3_tower, text_part, unquantized, with_towers
from llmtune.spec.weights import Linear, Vector

if TYPE_CHECKING:
    from llmtune.architectures.config import Config
    from llmtune.spec.model import Model
    from llmtune.spec.weights import Module

ARCHITECTURES = ("Qwen3OmniMoeForConditionalGeneration",)
PIXELS = 12_845_056  # of the largest image: max_pixels of the published preprocessor_config.json
BLOCK = ("self_attn_layer_norm", "self_attn.qkv_proj", "self_attn.out_proj", "final_layer_norm", "fc1", "fc2")
RENAMED = {
    "deepstack_merger_list": "merger_list",
    ".norm": ".ln_q",
    ".linear_fc1": ".mlp.0",
    ".linear_fc2": ".mlp.2",
}


def describe(config: Config) -> Model:
    """Model from a config.json."""
    thinker = config.part("thinker_config") if config.has("thinker_config") else config
    vision = thinker.part("vision_config")
    images = tuple(map(_renamed, qwen3_tower(vision)))
    audio = _audio_tower(thinker.part("audio_config"))
    item = largest_image(vision, PIXELS)
    return with_towers(qwen3_moe.describe(text_part(thinker)), (*audio, *images), item=item, video=(*item, STEPS))


def _renamed(module: Module) -> Module:
    """The mergers are called otherwise than in Qwen3-VL."""
    name = module.name
    if "merger" not in name:
        return module
    for old, new in RENAMED.items():
        name = name.replace(old, new)
    return replace(module, name=name)


def _audio_tower(audio: Config, prefix: str = "audio_tower") -> tuple[Module, ...]:
    """Three convolutions that shrink time and mel bins by two each, encoder blocks, projection; never quantised."""
    hidden, channels = audio.size("d_model"), audio.size("downsample_hidden_size")
    bins = -(-audio.size("num_mel_bins") // 8)
    heads = audio.size("encoder_attention_heads")
    blocks = encoder_blocks(
        f"{prefix}.layers",
        audio.layers("encoder_layers", "num_hidden_layers"),
        hidden,
        heads,
        audio.size("encoder_ffn_dim"),
        BLOCK,
    )
    return (
        Vector(f"{prefix}.conv2d1", channels, 9 + 1),
        Vector(f"{prefix}.conv2d2", channels, channels * 9 + 1),
        Vector(f"{prefix}.conv2d3", channels, channels * 9 + 1),
        plain(f"{prefix}.conv_out", channels * bins, hidden),
        *(replace(block, heads=heads) if isinstance(block, Linear) else block for block in unquantized(blocks)),
        norm(f"{prefix}.ln_post", hidden, bias=True),
        plain(f"{prefix}.proj1", hidden, hidden, bias=True),
        plain(f"{prefix}.proj2", hidden, audio.size("output_dim"), bias=True),
    )
