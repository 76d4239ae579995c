"""Laguna: gated attention with a head count per layer, windows, routed and shared experts.

Source: vLLM 0.33.0 model_executor/models/laguna.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.architectures.parts import (
    Heads,
    attention,
    column,
    decoder,
    experts,
    head_norms,
    layer_norms,
    read_heads,
    router,
    row,
    windowed,
)
from llmtune.spec.model import LayerGroup
from llmtune.spec.weights import Vector

if TYPE_CHECKING:
    from llmtune.architectures.config import Config
    from llmtune.spec.model import Model
    from llmtune.spec.weights import Module

ARCHITECTURES = ("LagunaForCausalLM",)


def describe(config: Config) -> Model:
    """Model from a config.json."""
    base = read_heads(config)
    counts = config.items("num_attention_heads_per_layer")
    kinds, feeds = config.items("layer_types"), config.items("mlp_layer_types")
    window = config.size("sliding_window", default=0)
    layers = []
    for depth in range(config.layers()):
        heads = Heads(base.hidden, counts[depth] if counts else base.heads, base.kv_heads, base.head_dim)
        modules = (
            *attention(heads),
            column("self_attn.g_proj", heads.hidden, heads.heads),
            *head_norms(heads),
            *layer_norms(heads.hidden),
            *(
                _moe(config)
                if feeds[depth] == "sparse"
                else _mlp(heads.hidden, config.size("intermediate_size"), "mlp")
            ),
        )
        slides = bool(kinds) and kinds[depth] == "sliding_attention"
        layers.append(LayerGroup(modules, (windowed(heads, window if slides else 0),)))
    return decoder(config, base, layers)


def _moe(config: Config) -> tuple[Module, ...]:
    hidden, count = config.size("hidden_size"), config.size("num_experts")
    shared = config.size("shared_expert_intermediate_size", default=0)
    modules: tuple[Module, ...] = (
        router(hidden, count),
        Vector("mlp.experts.e_score_correction_bias", count, bytes=4),
        experts(config, hidden, config.size("moe_intermediate_size"), count),
    )
    return (*modules, *_mlp(hidden, shared, "mlp.shared_expert")) if shared else modules


def _mlp(hidden: int, width: int, name: str) -> tuple[Module, ...]:
    """Gated MLP whose gate and up projections are modules of their own."""
    return (
        column(f"{name}.gate_proj", hidden, width),
        column(f"{name}.up_proj", hidden, width),
        row(f"{name}.down_proj", width, hidden),
    )
