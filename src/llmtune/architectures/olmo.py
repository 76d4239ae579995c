"""OLMo 1: Llama's layers with norms that have no weights.

Source: vLLM 0.33.0 through its Transformers backend (transformers models/olmo).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.architectures.parts import attention, decoder, full, mlp, read_heads
from llmtune.spec.model import LayerGroup
from llmtune.spec.weights import Embedding

if TYPE_CHECKING:
    from llmtune.architectures.config import Config
    from llmtune.spec.model import Model
    from llmtune.spec.weights import Module

ARCHITECTURES = ("OlmoForCausalLM",)


def describe(config: Config) -> Model:
    """Model from a config.json."""
    heads = read_heads(config)
    bias = config.flag("attention_bias")
    layer = LayerGroup(
        (*attention(heads, bias=bias, out_bias=bias), *mlp(heads.hidden, config.size("intermediate_size"))),
        (full(heads),),
    )
    head: tuple[Module, ...] = ()
    if not config.flag("tie_word_embeddings"):
        head = (Embedding("lm_head", config.size("vocab_size"), heads.hidden),)
    return decoder(config, heads, [layer] * config.layers(), head=head)
