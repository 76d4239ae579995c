"""GPT-NeoX and Pythia: every head has its own keys, two norms with biases, a plain MLP.

Source: vLLM 0.33.0 through its Transformers backend (transformers models/gpt_neox).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.architectures.parts import Heads, decoder, full, layer_norms, norm, plain_mlp, qkv, row
from llmtune.spec.model import LayerGroup
from llmtune.spec.weights import Embedding

if TYPE_CHECKING:
    from llmtune.architectures.config import Config
    from llmtune.spec.model import Model
    from llmtune.spec.weights import Module

ARCHITECTURES = ("GPTNeoXForCausalLM",)


def describe(config: Config) -> Model:
    """Model from a config.json. ``attention_bias`` leaves the MLP's biases alone."""
    hidden, count = config.size("hidden_size"), config.size("num_attention_heads")
    heads = Heads(hidden, count, count, hidden // max(count, 1))
    vocab = config.size("vocab_size")
    bias = config.flag("attention_bias", default=True)
    layer = LayerGroup(
        (
            qkv("attention.query_key_value", heads, bias=bias),
            row("attention.dense", hidden, hidden, bias=bias),
            *plain_mlp(hidden, config.size("intermediate_size"), up="mlp.dense_h_to_4h", down="mlp.dense_4h_to_h"),
            *layer_norms(hidden, bias=True),
        ),
        (full(heads),),
    )
    head: tuple[Module, ...] = (norm("model.final_layer_norm", hidden, bias=True),)
    if not config.flag("tie_word_embeddings"):
        head = (*head, Embedding("lm_head", vocab, hidden))
    return decoder(
        config,
        heads,
        [layer] * config.layers(),
        embedding=(Embedding("model.embed_in", vocab, hidden),),
        head=head,
    )
