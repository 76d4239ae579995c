"""Seed-OSS: Llama's layers with heads of their own width and biases on query, key and value.

Source: vLLM 0.33.0 through its Transformers backend (transformers models/seed_oss).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.architectures.parts import attention, decoder, full, layer_norms, mlp, read_heads
from llmtune.spec.model import LayerGroup

if TYPE_CHECKING:
    from llmtune.architectures.config import Config
    from llmtune.spec.model import Model

ARCHITECTURES = ("SeedOssForCausalLM",)


def describe(config: Config) -> Model:
    """Model from a config.json."""
    heads = read_heads(config)
    layer = LayerGroup(
        (
            *attention(
                heads,
                bias=config.flag("attention_bias", default=True),
                out_bias=config.flag("attention_out_bias"),
            ),
            *mlp(heads.hidden, config.size("intermediate_size"), bias=config.flag("mlp_bias")),
            *layer_norms(heads.hidden),
        ),
        (full(heads),),
    )
    return decoder(config, heads, [layer] * config.layers())
