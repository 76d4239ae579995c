"""StarCoder2: grouped-query attention and a plain MLP, with biases and layer norms.

Source: vLLM 0.33.0 through its Transformers backend (transformers models/starcoder2).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.architectures.parts import (
    attention,
    decoder,
    layer_norms,
    norm,
    plain_mlp,
    read_heads,
    windowed,
)
from llmtune.spec.model import LayerGroup
from llmtune.spec.weights import Embedding

if TYPE_CHECKING:
    from llmtune.architectures.config import Config
    from llmtune.spec.model import Model
    from llmtune.spec.weights import Module

ARCHITECTURES = ("Starcoder2ForCausalLM",)


def describe(config: Config) -> Model:
    """Model from a config.json; ties embeddings unless told otherwise."""
    heads = read_heads(config)
    bias = config.flag("use_bias", default=True)
    layer = LayerGroup(
        (
            *attention(heads, bias=bias, out_bias=bias),
            *plain_mlp(heads.hidden, config.size("intermediate_size"), up="mlp.c_fc", down="mlp.c_proj", bias=bias),
            *layer_norms(heads.hidden, bias=True),
        ),
        (windowed(heads, config.size("sliding_window", default=0)),),
    )
    head: tuple[Module, ...] = (norm("model.norm", heads.hidden, bias=True),)
    if not config.flag("tie_word_embeddings", default=True):
        head = (*head, Embedding("lm_head", config.size("vocab_size"), heads.hidden))
    return decoder(config, heads, [layer] * config.layers(), tied_default=True, head=head)
