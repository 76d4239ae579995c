"""Nemotron-4 and Minitron: an MLP without a gate (squared ReLU), norms with biases.

Source: vLLM 0.33.0 model_executor/models/nemotron.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.architectures.parts import attention, decoder, full, layer_norms, norm, plain_mlp, read_heads
from llmtune.spec.model import LayerGroup
from llmtune.spec.weights import Embedding

if TYPE_CHECKING:
    from llmtune.architectures.config import Config
    from llmtune.spec.model import Model
    from llmtune.spec.weights import Module

ARCHITECTURES = ("NemotronForCausalLM",)


def describe(config: Config) -> Model:
    """Model from a config.json."""
    heads = read_heads(config)
    hidden, width = heads.hidden, config.size("intermediate_size")
    bias = config.flag("attention_bias") or config.flag("bias")
    layer = LayerGroup(
        (
            *attention(heads, bias=bias, out_bias=bias),
            *plain_mlp(hidden, width, up="mlp.up_proj", down="mlp.down_proj", bias=config.flag("mlp_bias")),
            *layer_norms(hidden, bias=True),
        ),
        (full(heads),),
    )
    head: tuple[Module, ...] = (norm("model.norm", hidden, bias=True),)
    if not config.flag("tie_word_embeddings"):
        head = (*head, Embedding("lm_head", config.size("vocab_size"), hidden))
    return decoder(config, heads, [layer] * config.layers(), head=head)
