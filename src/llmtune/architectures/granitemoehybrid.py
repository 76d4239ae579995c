"""Granite 4: Mamba 2 with a few attention layers, routed and shared experts.

Source: vLLM 0.33.0 model_executor/models/granitemoehybrid.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.architectures.parts import (
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
from llmtune.architectures.recurrent import Mamba2
from llmtune.spec.model import LayerGroup

if TYPE_CHECKING:
    from llmtune.architectures.config import Config
    from llmtune.spec.model import Model
    from llmtune.spec.weights import Module

ARCHITECTURES = ("GraniteMoeHybridForCausalLM",)


def describe(config: Config) -> Model:
    """Model from a config.json."""
    heads = read_heads(config)
    hidden = heads.hidden
    inner = config.size("mamba_expand", default=2) * hidden
    mixer = Mamba2(
        hidden=hidden,
        inner=inner,
        heads=config.size("mamba_n_heads"),
        head_dim=inner // max(config.size("mamba_n_heads"), 1),
        groups=config.size("mamba_n_groups", default=1),
        state=config.size("mamba_d_state"),
        kernel=config.size("mamba_d_conv", default=4),
        bias=config.flag("mamba_proj_bias"),
        conv_bias=config.flag("mamba_conv_bias", default=True),
    )
    common = (*_feed(config, hidden), *layer_norms(hidden))
    recurrent = LayerGroup((*mixer.modules("mamba"), *common), (mixer.cache(),))
    attends = LayerGroup((*attention(heads, bias=config.flag("attention_bias")), *common), (full(heads),))
    kinds = config.items("layer_types") or config.items("layers_block_type")
    layers = [attends if kinds[depth] == "attention" else recurrent for depth in range(config.layers())]
    return decoder(config, heads, layers, tied_default=True)


def _feed(config: Config, hidden: int) -> tuple[Module, ...]:
    """Routed experts, where there are any, and the shared MLP."""
    modules: tuple[Module, ...] = ()
    count, shared = config.size("num_local_experts", default=0), config.size("shared_intermediate_size", default=0)
    if count:
        width = config.size("intermediate_size")
        modules = (
            router(hidden, count, name="block_sparse_moe.gate"),
            experts(config, hidden, width, count, name="block_sparse_moe.experts"),
        )
    if shared:
        modules = (
            *modules,
            column("shared_mlp.input_linear", hidden, shared, shared),
            row("shared_mlp.output_linear", shared, hidden),
        )
    return modules
