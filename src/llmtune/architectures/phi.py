"""Phi-1.5, Phi-2: parallel attention and MLP with biases everywhere.

Source: vLLM 0.33.0 through its Transformers backend (transformers models/phi).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.architectures.parts import decoder, full, layer_norms, norm, plain_mlp, qkv, read_heads, row
from llmtune.spec.model import LayerGroup
from llmtune.spec.weights import Embedding

if TYPE_CHECKING:
    from llmtune.architectures.config import Config
    from llmtune.spec.model import Model

ARCHITECTURES = ("PhiForCausalLM",)


def describe(config: Config) -> Model:
    """Model from a config.json."""
    heads = read_heads(config)
    layer = LayerGroup(
        (
            qkv("self_attn.qkv_proj", heads, bias=True),
            row("self_attn.dense", heads.hidden, heads.hidden, bias=True),
            *plain_mlp(heads.hidden, config.size("intermediate_size")),
            *layer_norms(heads.hidden, "input_layernorm", bias=True),
        ),
        (full(heads),),
    )
    vocab = config.size("vocab_size")
    head = (norm("model.final_layernorm", heads.hidden, bias=True), Embedding("lm_head", vocab, heads.hidden))
    return decoder(config, heads, [layer] * config.layers(), head=head)
