"""Falcon: one or few key heads, attention and MLP side by side, tied embeddings.

Source: vLLM 0.33.0 model_executor/models/falcon.py.
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

ARCHITECTURES = ("FalconForCausalLM",)


def describe(config: Config) -> Model:
    """Model from a config.json. Falcon-7B shares one key head, Falcon-40B and 180B a few (the new architecture)."""
    heads = _heads(config)
    bias = config.flag("bias")
    layer = LayerGroup(
        (
            qkv("self_attention.query_key_value", heads, bias=bias),
            row("self_attention.dense", heads.hidden, heads.hidden, bias=bias),
            *plain_mlp(heads.hidden, 4 * heads.hidden, up="mlp.dense_h_to_4h", down="mlp.dense_4h_to_h", bias=bias),
            *layer_norms(heads.hidden, *_norms(config), bias=True),
        ),
        (full(heads),),
    )
    vocab, tied = config.size("vocab_size"), config.flag("tie_word_embeddings", default=True)
    head: tuple[Module, ...] = (norm("transformer.ln_f", heads.hidden, bias=True),)
    return decoder(
        config,
        heads,
        [layer] * config.layers(),
        tied_default=True,
        intermediate=4 * heads.hidden,
        layer_prefix="transformer.h",
        unstaged=BOTH,
        embedding=(Embedding("transformer.word_embeddings", vocab, heads.hidden),),
        head=head if tied else (*head, Embedding("lm_head", vocab, heads.hidden)),
    )


def _heads(config: Config) -> Heads:
    hidden, count = config.size("hidden_size"), config.size("num_attention_heads", "n_head")
    if config.flag("new_decoder_architecture"):
        shared = config.size("num_kv_heads", "n_head_kv", default=count)
    else:
        shared = 1 if config.flag("multi_query", default=True) else count
    return Heads(hidden, count, shared, hidden // max(count, 1))


def _norms(config: Config) -> tuple[str, ...]:
    if not config.flag("parallel_attn", default=True):
        return "input_layernorm", "post_attention_layernorm"
    both = ("ln_attn", "ln_mlp")
    default = len(both) if config.flag("new_decoder_architecture") else 1
    return both if config.size("num_ln_in_parallel_attn", default=default) == len(both) else ("input_layernorm",)
