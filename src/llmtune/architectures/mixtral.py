"""Mixtral and Phi-3.5-MoE: a block of routed experts in every layer.

Source: vLLM 0.33.0 model_executor/models/mixtral.py, phimoe.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.architectures.parts import (
    BOTH,
    attention,
    decoder,
    experts,
    layer_norms,
    norm,
    read_heads,
    router,
    windowed,
)
from llmtune.spec.model import LayerGroup
from llmtune.spec.weights import Embedding

if TYPE_CHECKING:
    from llmtune.architectures.config import Config
    from llmtune.spec.model import Model

ARCHITECTURES = ("MixtralForCausalLM", "PhiMoEForCausalLM")


def describe(config: Config) -> Model:
    """Model from a config.json."""
    heads = read_heads(config)
    phi = config.text("model_type") == "phimoe"
    bias = phi and config.flag("attention_bias")
    count = config.size("num_local_experts")
    layer = LayerGroup(
        (
            *attention(heads, bias=bias, out_bias=bias),
            router(heads.hidden, count, name="block_sparse_moe.gate"),
            experts(config, heads.hidden, config.size("intermediate_size"), count, name="block_sparse_moe.experts"),
            *layer_norms(heads.hidden, bias=phi),
        ),
        (windowed(heads, 0 if phi else config.size("sliding_window", default=0)),),
    )
    if not phi:
        return decoder(config, heads, [layer] * config.layers(), unstaged=BOTH)
    vocab = config.size("vocab_size")
    head = (norm("model.norm", heads.hidden, bias=True), Embedding("lm_head", vocab, heads.hidden, bias=True))
    return decoder(config, heads, [layer] * config.layers(), head=head)
