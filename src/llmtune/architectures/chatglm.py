"""ChatGLM2, ChatGLM3 and GLM-4-9B in their own format: few key heads, a gated MLP in one projection.

Source: vLLM 0.33.0 model_executor/models/chatglm.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.architectures.config import Config
from llmtune.architectures.parts import BOTH, Heads, column, decoder, full, layer_norms, norm, qkv, row
from llmtune.spec.model import LayerGroup
from llmtune.spec.weights import Embedding

if TYPE_CHECKING:
    from llmtune.spec.model import Model
    from llmtune.spec.weights import Module

ARCHITECTURES = ("ChatGLMModel", "ChatGLMForConditionalGeneration")


def describe(config: Config) -> Model:
    """Model from a config.json. The head width is hidden / heads, whatever ``kv_channels`` says."""
    hidden, count = config.size("hidden_size"), config.size("num_attention_heads")
    groups = config.size("multi_query_group_num", default=1) if config.flag("multi_query_attention") else count
    heads = Heads(hidden, count, groups, hidden // max(count, 1))
    bias, width = config.flag("add_bias_linear"), config.size("ffn_hidden_size")
    centred = not config.flag("rmsnorm", default=True)
    layer = LayerGroup(
        (
            qkv("self_attention.query_key_value", heads, bias=bias or config.flag("add_qkv_bias")),
            row("self_attention.dense", count * heads.head_dim, hidden, bias=bias),
            column("mlp.dense_h_to_4h", hidden, width, width, bias=bias),
            row("mlp.dense_4h_to_h", width, hidden, bias=bias),
            *layer_norms(hidden, bias=centred),
        ),
        (full(heads),),
    )
    vocab = config.size("padded_vocab_size", "vocab_size")
    head: tuple[Module, ...] = ()
    if config.flag("post_layer_norm", default=True):
        head = (norm("transformer.encoder.final_layernorm", hidden, bias=centred),)
    if not config.flag("tie_word_embeddings"):
        head = (*head, Embedding("transformer.output_layer", vocab, hidden))
    return decoder(
        Config({**config.data, "vocab_size": vocab}),
        heads,
        [layer] * config.layers("num_layers", "num_hidden_layers"),
        layer_prefix="transformer.encoder.layers",
        unstaged=BOTH,
        embedding=(Embedding("transformer.embedding", vocab, hidden),),
        head=head,
    )
