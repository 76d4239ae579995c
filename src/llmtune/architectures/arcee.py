"""Arcee (AFM): Llama's layers with an MLP without a gate (squared ReLU).

Source: vLLM 0.33.0 through its Transformers backend (transformers models/arcee).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.architectures.parts import attention, decoder, full, layer_norms, plain_mlp, read_heads
from llmtune.spec.model import LayerGroup

if TYPE_CHECKING:
    from llmtune.architectures.config import Config
    from llmtune.spec.model import Model

ARCHITECTURES = ("ArceeForCausalLM",)


def describe(config: Config) -> Model:
    """Model from a config.json."""
    heads = read_heads(config)
    bias, width = config.flag("attention_bias"), config.size("intermediate_size")
    layer = LayerGroup(
        (
            *attention(heads, bias=bias, out_bias=bias),
            *plain_mlp(heads.hidden, width, up="mlp.up_proj", down="mlp.down_proj", bias=config.flag("mlp_bias")),
            *layer_norms(heads.hidden),
        ),
        (full(heads),),
    )
    return decoder(config, heads, [layer] * config.layers())
