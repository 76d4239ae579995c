"""EXAONE 3 and 3.5: Llama's layers under GPT-2's names.

Source: vLLM 0.33.0 model_executor/models/exaone.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.architectures.parts import column, decoder, full, layer_norms, norm, qkv, read_heads, row
from llmtune.spec.model import LayerGroup
from llmtune.spec.weights import Embedding

if TYPE_CHECKING:
    from llmtune.architectures.config import Config
    from llmtune.spec.model import Model
    from llmtune.spec.weights import Module

ARCHITECTURES = ("ExaoneForCausalLM",)


def describe(config: Config) -> Model:
    """Model from a config.json."""
    heads = read_heads(config)
    hidden, vocab, width = heads.hidden, config.size("vocab_size"), config.size("intermediate_size")
    bias, mlp_bias = config.flag("attention_bias") or config.flag("bias"), config.flag("mlp_bias")
    layer = LayerGroup(
        (
            qkv("attn.attention.qkv_proj", heads, bias=bias),
            row("attn.attention.out_proj", heads.heads * heads.head_dim, hidden, bias=bias),
            column("mlp.gate_up_proj", hidden, width, width, bias=mlp_bias),
            row("mlp.c_proj", width, hidden, bias=mlp_bias),
            *layer_norms(hidden, "ln_1", "ln_2"),
        ),
        (full(heads),),
    )
    head: tuple[Module, ...] = (norm("transformer.ln_f", hidden),)
    if not config.flag("tie_word_embeddings"):
        head = (*head, Embedding("lm_head", vocab, hidden))
    return decoder(
        config,
        heads,
        [layer] * config.layers("num_layers", "num_hidden_layers"),
        layer_prefix="transformer.h",
        embedding=(Embedding("transformer.wte", vocab, hidden),),
        head=head,
    )
