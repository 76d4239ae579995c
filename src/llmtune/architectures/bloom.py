"""BLOOM: ALiBi instead of positions, a norm after the embedding, biases everywhere, tied embeddings.

Source: vLLM 0.33.0 model_executor/models/bloom.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.architectures.parts import BOTH, Heads, decoder, full, layer_norms, norm, plain_mlp, qkv, row
from llmtune.spec.model import LayerGroup
from llmtune.spec.weights import Embedding

if TYPE_CHECKING:
    from llmtune.architectures.config import Config
    from llmtune.spec.model import Model
    from llmtune.spec.weights import Module

ARCHITECTURES = ("BloomForCausalLM",)


def describe(config: Config) -> Model:
    """Model from a config.json; the MLP is four times as wide."""
    hidden, count = config.size("hidden_size", "n_embed"), config.size("n_head", "num_attention_heads")
    heads = Heads(hidden, count, count, hidden // max(count, 1))
    layer = LayerGroup(
        (
            qkv("self_attention.query_key_value", heads, bias=True),
            row("self_attention.dense", hidden, hidden, bias=True),
            *plain_mlp(hidden, 4 * hidden, up="mlp.dense_h_to_4h", down="mlp.dense_4h_to_h"),
            *layer_norms(hidden, bias=True),
        ),
        (full(heads),),
    )
    vocab, tied = config.size("vocab_size"), config.flag("tie_word_embeddings", default=True)
    head: tuple[Module, ...] = (norm("transformer.ln_f", hidden, bias=True),)
    return decoder(
        config,
        heads,
        [layer] * config.layers("n_layer", "num_hidden_layers"),
        tied_default=True,
        intermediate=4 * hidden,
        layer_prefix="transformer.h",
        unstaged=BOTH,
        embedding=(
            Embedding("transformer.word_embeddings", vocab, hidden),
            norm("transformer.word_embeddings_layernorm", hidden, bias=True),
        ),
        head=head if tied else (*head, Embedding("lm_head", vocab, hidden)),
    )
