"""Granite 3 with routed experts and a shared MLP beside them.

Source: vLLM 0.33.0 model_executor/models/granitemoeshared.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.architectures.parts import (
    BOTH,
    attention,
    column,
    decoder,
    experts,
    full,
    layer_norms,
    read_heads,
    router,
    row,
)
from llmtune.spec.model import LayerGroup

if TYPE_CHECKING:
    from llmtune.architectures.config import Config
    from llmtune.spec.model import Model
    from llmtune.spec.weights import Module

ARCHITECTURES = ("GraniteMoeSharedForCausalLM",)


def describe(config: Config) -> Model:
    """Model from a config.json. ``attention_bias`` is not looked at, as in the engine."""
    heads = read_heads(config)
    hidden, count = heads.hidden, config.size("num_local_experts")
    shared = config.size("shared_intermediate_size", default=0)
    width = config.size("intermediate_size")
    modules: tuple[Module, ...] = (
        *attention(heads),
        router(hidden, count, name="block_sparse_moe.gate"),
        experts(config, hidden, width, count, name="block_sparse_moe.experts"),
        *layer_norms(hidden),
    )
    if shared:
        up, down = (
            column("shared_mlp.input_linear", hidden, shared, shared),
            row("shared_mlp.output_linear", shared, hidden),
        )
        modules = (*modules, up, down)
    layer = LayerGroup(modules, (full(heads),))
    return decoder(config, heads, [layer] * config.layers(), unstaged=BOTH)
