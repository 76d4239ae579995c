"""Arcee Trinity (AFMoE): gated attention with head norms and windows, routed experts, four norms a layer.

Source: vLLM 0.33.0 model_executor/models/afmoe.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.architectures.config import Config
from llmtune.architectures.parts import (
    attention,
    column,
    decoder,
    experts,
    head_norms,
    layer_norms,
    mlp,
    read_heads,
    router,
    windowed,
)
from llmtune.spec.model import LayerGroup
from llmtune.spec.weights import Vector

if TYPE_CHECKING:
    from llmtune.spec.model import Model
    from llmtune.spec.weights import Module

ARCHITECTURES = ("AfmoeForCausalLM",)
NORMS = ("input_layernorm", "post_attention_layernorm", "pre_mlp_layernorm", "post_mlp_layernorm")


def describe(config: Config) -> Model:
    """Model from a config.json; embeddings are never tied."""
    heads = read_heads(config)
    common = (
        *attention(heads),
        column("self_attn.gate_proj", heads.hidden, heads.heads * heads.head_dim),
        *head_norms(heads),
        *layer_norms(heads.hidden, *NORMS),
    )
    window = config.size("sliding_window", default=0)
    every = config.size("global_attn_every_n_layers", default=4) or 1
    kinds = config.items("layer_types")
    layers = []
    for depth in range(config.layers()):
        dense = depth < config.size("num_dense_layers", default=1)
        feed = mlp(heads.hidden, config.size("intermediate_size")) if dense else _moe(config, heads.hidden)
        slides = kinds[depth] == "sliding_attention" if kinds else (depth + 1) % every != 0
        layers.append(LayerGroup((*common, *feed), (windowed(heads, window if slides else 0),)))
    return decoder(Config({**config.data, "tie_word_embeddings": False}), heads, layers)


def _moe(config: Config, hidden: int) -> tuple[Module, ...]:
    """Router in 32 bit with its expert bias, routed experts, shared experts."""
    count, width = config.size("num_experts"), config.size("moe_intermediate_size")
    shared = config.size("num_shared_experts", default=0)
    modules: tuple[Module, ...] = (
        router(hidden, count, fp32=True),
        Vector("mlp.expert_bias", count, bytes=4),
        experts(config, hidden, width, count),
    )
    return (*modules, *mlp(hidden, width * shared, name="mlp.shared_experts")) if shared else modules
