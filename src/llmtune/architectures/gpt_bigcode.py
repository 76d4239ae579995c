"""GPT-BigCode (SantaCoder, StarCoder): GPT-2's layers with one key head for all queries.

Source: vLLM 0.33.0 through its Transformers backend (transformers models/gpt_bigcode). That backend splits only the
multi-query attention over ranks; the MLP, and attention with a key head for every query head, stand whole on each.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.architectures.parts import Heads, decoder, full, layer_norms, norm, qkv, row, whole
from llmtune.spec.model import LayerGroup
from llmtune.spec.weights import Embedding, Vector

if TYPE_CHECKING:
    from llmtune.architectures.config import Config
    from llmtune.spec.model import Model
    from llmtune.spec.weights import Module

ARCHITECTURES = ("GPTBigCodeForCausalLM",)


def describe(config: Config) -> Model:
    """Model from a config.json; the MLP is four times as wide unless ``n_inner`` says otherwise."""
    heads = _heads(config)
    hidden, vocab = heads.hidden, config.size("vocab_size")
    inner = config.size("n_inner", default=4 * hidden)
    layer = LayerGroup(
        (
            *_attention(heads),
            whole("mlp.c_fc", hidden, inner, bias=True),
            whole("mlp.c_proj", inner, hidden, bias=True),
            *layer_norms(hidden, "ln_1", "ln_2", bias=True),
        ),
        (full(heads),),
    )
    head: tuple[Module, ...] = (norm("model.ln_f", hidden, bias=True),)
    if not config.flag("tie_word_embeddings", default=True):
        head = (*head, Embedding("lm_head", vocab, hidden))
    return decoder(
        config,
        heads,
        [layer] * config.layers("n_layer", "num_hidden_layers"),
        tied_default=True,
        intermediate=inner,
        layer_prefix="model.h",
        embedding=(
            Embedding("model.wte", vocab, hidden),
            Vector("model.wpe", config.size("n_positions", "max_position_embeddings"), hidden),
        ),
        head=head,
    )


def _heads(config: Config) -> Heads:
    hidden, count = config.size("n_embd", "hidden_size"), config.size("n_head", "num_attention_heads")
    return Heads(hidden, count, 1 if config.flag("multi_query", default=True) else count, hidden // max(count, 1))


def _attention(heads: Heads) -> tuple[Module, ...]:
    if heads.kv_heads == 1:
        return qkv("attn.c_attn", heads, bias=True), row("attn.c_proj", heads.hidden, heads.hidden, bias=True)
    return (
        whole("attn.c_attn", heads.hidden, 3 * heads.hidden, bias=True),
        whole("attn.c_proj", heads.hidden, heads.hidden, bias=True),
    )
