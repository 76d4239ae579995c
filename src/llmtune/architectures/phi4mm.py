"""Phi-4-multimodal: Phi-4-mini with a SigLIP tower of fixed size and a Conformer for audio.

The LoRA adapters of the checkpoint are loaded apart, as adapters, and do not count here.
Source: vLLM 0.33.0 model_executor/models/phi4mm.py, phi4mm_audio.py.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from llmtune.architectures import llama
from llmtune.architectures.config import Config
from llmtune.architectures.parts import norm
from llmtune.architectures.vision import plain, siglip_tower, unquantized
from llmtune.spec.weights import Vector

if TYPE_CHECKING:
    from llmtune.spec.model import Model
    from llmtune.spec.weights import Module

ARCHITECTURES = ("Phi4MMForCausalLM",)
# phi4mm.py::get_navit_vision_model; config.json does not say.
SIGLIP = {
    "hidden_size": 1152,
    "image_size": 448,
    "intermediate_size": 4304,
    "num_attention_heads": 16,
    "num_hidden_layers": 27,
    "patch_size": 14,
}
CROPS = 36  # of the largest image: dynamic_hd of the published preprocessor_config.json
STAGES = 3  # convolutions that halve time and mel bins each (time_reduction 8)


def describe(config: Config) -> Model:
    """Model from a config.json."""
    model = llama.describe(config)
    audio = config.part("audio_processor").part("config")
    towers = (*_vision(config, model.hidden), *_audio(audio, model.hidden))
    tokens, patches = _largest_image()
    return replace(model, towers=towers, multimodal=True, item_tokens=tokens, item_patches=patches)


def _largest_image() -> tuple[int, int]:
    """Tokens and patches of crops on top of each other and of the whole image; 2 x 2 patches are pooled.

    Every row of tokens ends in a newline, and one token separates the two (Phi4MMProcessingInfo).
    """
    grid = SIGLIP["image_size"] // SIGLIP["patch_size"]
    rows = grid // 2
    return (CROPS + 1) * rows * (rows + 1) + 1, (CROPS + 1) * grid**2


def _vision(config: Config, out: int, prefix: str = "vision_encoder") -> tuple[Module, ...]:
    """The tower up to the layer that is looked at (the last but one), separators and projection."""
    given = config.part("img_processor").data.get("layer_idx", -2)
    chosen = given if isinstance(given, int) else -2
    width, layers = SIGLIP["hidden_size"], SIGLIP["num_hidden_layers"]
    depth = layers + chosen + 1 if chosen < 0 else chosen + 1
    tower = siglip_tower(Config({**SIGLIP, "num_hidden_layers": depth}, "vision"), f"{prefix}.img_processor")[:-1]
    return (
        *unquantized(tower),
        Vector(f"{prefix}.GN", 2, width),
        plain(f"{prefix}.img_projection.0", width, out, bias=True),
        plain(f"{prefix}.img_projection.2", out, out, bias=True),
    )


def _audio(audio: Config, out: int, prefix: str = "embed_tokens_extend") -> tuple[Module, ...]:
    """Convolutions, Conformer blocks and two projections, whole on every rank and never quantised."""
    dim, bins = audio.size("attention_dim"), audio.size("input_size")
    channels = audio.part("nemo_conv_settings").size("conv_channels", default=dim)
    bias = audio.part("relative_attention_bias_args")
    heads = audio.size("attention_heads") // max(audio.size("attention_group_size", default=1), 1)
    distances = bias.size("t5_bias_max_distance", default=1000) * (1 if bias.flag("t5_bias_symmetric") else 2)
    encoder = f"{prefix}.encoder"
    modules: list[Module] = [
        Vector(f"{encoder}.embed.conv.depthwise", STAGES * channels, 9 + 1),
        Vector(f"{encoder}.embed.conv.pointwise", (STAGES - 1) * channels, channels + 1),
        plain(f"{encoder}.embed.out", channels * -(-bins // 2**STAGES), dim, bias=True),
        Vector(f"{encoder}.relative_attention_bias_layer", distances, heads),
        Vector(f"{encoder}.encoder_embedding", 2, bins),
    ]
    for index in range(audio.layers("num_blocks")):
        modules += _conformer(audio, dim, f"{encoder}.encoders.{index}.")
    for name in ("audio_projection", "audio_projection_for_vision"):
        modules += (
            plain(f"{prefix}.{name}.0", dim, out, bias=True),
            plain(f"{prefix}.{name}.2", out, out, bias=True),
        )
    return tuple(modules)


def _conformer(audio: Config, dim: int, here: str) -> tuple[Module, ...]:
    """Feed-forward, attention, convolution, feed-forward; both feed-forwards are gated."""
    width, kernel = audio.size("linear_units"), audio.size("kernel_size", default=3)
    wide = audio.size("depthwise_seperable_out_channel", default=dim)
    feeds = ("feed_forward_in", "feed_forward_out")
    return (
        *(plain(f"{here}{feed}.net.0.linear", dim, 2 * width, bias=True) for feed in feeds),
        *(plain(f"{here}{feed}.net.2", width, dim, bias=True) for feed in feeds),
        *(plain(f"{here}self_attn.linear_{part}", dim, dim, bias=True) for part in ("q", "k", "v", "out")),
        Vector(f"{here}conv.glu.b", 2, dim),
        plain(f"{here}conv.glu.ext_pw_conv_1d", dim, 2 * dim, bias=True),
        Vector(f"{here}conv.dw_sep_conv_1d.dw_conv", dim, kernel + 1),
        plain(f"{here}conv.dw_sep_conv_1d.pw_conv", dim, wide, bias=True),
        plain(f"{here}conv.ext_pw_conv_1d", wide, dim, bias=True),
        *(
            norm(here + name, dim, bias=True)
            for name in (*(f"{feed}.layer_norm" for feed in feeds), "conv.layer_norm", "layer_norm_att", "layer_norm")
        ),
    )
