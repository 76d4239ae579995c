"""ModernBERT (an encoder): fused projections, norms without biases, local and global attention, nothing cached.

Source: vLLM 0.33.0 model_executor/models/modernbert.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.architectures.parts import Heads, column, decoder, norm, qkv, row
from llmtune.spec.model import LayerGroup
from llmtune.spec.weights import Embedding

if TYPE_CHECKING:
    from llmtune.architectures.config import Config
    from llmtune.spec.model import Model
    from llmtune.spec.weights import Module

ARCHITECTURES = ("ModernBertModel",)


def describe(config: Config) -> Model:
    """Model from a config.json. The first layer has no norm before its attention."""
    hidden, count = config.size("hidden_size"), config.size("num_attention_heads")
    heads = Heads(hidden, count, count, hidden // max(count, 1))
    width = config.size("intermediate_size")
    bias, mlp_bias = config.flag("attention_bias"), config.flag("mlp_bias")
    modules: tuple[Module, ...] = (
        qkv("attn.Wqkv", heads, bias=bias),
        row("attn.Wo", hidden, hidden, bias=bias),
        column("mlp.Wi", hidden, 2 * width, bias=mlp_bias),
        row("mlp.Wo", width, hidden, bias=mlp_bias),
        norm("mlp_norm", hidden, bias=config.flag("norm_bias")),
    )
    later = LayerGroup((*modules, norm("attn_norm", hidden, bias=config.flag("norm_bias"))))
    return decoder(
        config,
        heads,
        [LayerGroup(modules)] + [later] * (config.layers() - 1),
        tied=False,
        layer_prefix="encoder_layer.layers",
        embedding=(
            Embedding("embeddings.tok_embeddings", config.size("vocab_size"), hidden),
            norm("embeddings.norm", hidden, bias=config.flag("norm_bias")),
        ),
        head=(norm("final_norm", hidden, bias=config.flag("norm_bias")),),
    )
