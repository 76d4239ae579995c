"""Falcon-H1: attention and Mamba 2 side by side in every layer.

Source: vLLM 0.33.0 model_executor/models/falcon_h1.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.architectures.parts import attention, decoder, full, layer_norms, mlp, norm, read_heads
from llmtune.architectures.recurrent import Mamba2
from llmtune.spec.model import LayerGroup
from llmtune.spec.weights import Embedding

if TYPE_CHECKING:
    from llmtune.architectures.config import Config
    from llmtune.spec.model import Model
    from llmtune.spec.weights import Module

ARCHITECTURES = ("FalconH1ForCausalLM",)


def describe(config: Config) -> Model:
    """Model from a config.json."""
    heads = read_heads(config)
    inner = config.size("mamba_d_ssm", default=config.size("mamba_expand", default=2) * heads.hidden)
    mixer = Mamba2(
        hidden=heads.hidden,
        inner=inner,
        heads=config.size("mamba_n_heads"),
        head_dim=config.size("mamba_d_head"),
        groups=config.size("mamba_n_groups", default=1),
        state=config.size("mamba_d_state"),
        kernel=config.size("mamba_d_conv", default=4),
        norm=config.flag("mamba_rms_norm"),
        bias=config.flag("mamba_proj_bias"),
        conv_bias=config.flag("mamba_conv_bias", default=True),
    )
    bias = config.flag("attention_bias")
    layer = LayerGroup(
        (
            *attention(heads, bias=bias, out_bias=bias),
            *mixer.modules("mamba.mamba"),
            *mlp(heads.hidden, config.size("intermediate_size"), name="feed_forward", bias=config.flag("mlp_bias")),
            *layer_norms(heads.hidden, "input_layernorm", "pre_ff_layernorm"),
        ),
        (full(heads), mixer.cache()),
    )
    head: tuple[Module, ...] = (norm("model.final_layernorm", heads.hidden),)
    if not config.flag("tie_word_embeddings"):
        head = (*head, Embedding("lm_head", config.size("vocab_size"), heads.hidden))
    return decoder(config, heads, [layer] * config.layers(), head=head)
