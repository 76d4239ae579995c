"""Qwen2-MoE and Qwen3-MoE: routed experts, with a gated shared expert in Qwen2.

Source: vLLM 0.33.0 model_executor/models/qwen2_moe.py, qwen3_moe.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.architectures.parts import (
    BOTH,
    attention,
    decoder,
    experts,
    full,
    head_norms,
    layer_norms,
    mlp,
    read_heads,
    router,
    whole,
)
from llmtune.spec.model import LayerGroup

if TYPE_CHECKING:
    from llmtune.architectures.config import Config
    from llmtune.spec.model import Model
    from llmtune.spec.weights import Module

ARCHITECTURES = ("Qwen2MoeForCausalLM", "Qwen3MoeForCausalLM")


def describe(config: Config) -> Model:
    """Model from a config.json."""
    heads = read_heads(config)
    new = config.text("model_type") != "qwen2_moe"
    bias = config.flag("attention_bias") if new else config.flag("qkv_bias", default=True)
    common = (*attention(heads, bias=bias), *layer_norms(heads.hidden))
    if new:
        common = (*common, *head_norms(heads))
    dense = set(config.items("mlp_only_layers"))
    step = config.size("decoder_sparse_step", default=1) or 1
    layers = []
    for depth in range(config.layers()):
        routed = depth not in dense and (depth + 1) % step == 0 and expert_count(config) > 0
        feed = moe(config) if routed else mlp(heads.hidden, config.size("intermediate_size"))
        layers.append(LayerGroup((*common, *feed), (full(heads),)))
    return decoder(config, heads, layers, unstaged=BOTH)


def expert_count(config: Config) -> int:
    """Routed experts a layer."""
    return config.size("num_experts", "num_local_experts", default=0)


def moe(config: Config) -> tuple[Module, ...]:
    """Router, routed experts and, where the config has one, the gated shared expert."""
    hidden = config.size("hidden_size")
    modules: tuple[Module, ...] = (
        router(hidden, expert_count(config)),
        experts(config, hidden, config.size("moe_intermediate_size"), expert_count(config)),
    )
    shared = config.size("shared_expert_intermediate_size", default=0)
    if shared:
        gate = whole("mlp.shared_expert_gate", hidden, 1, fixed=True)
        modules = (*modules, gate, *mlp(hidden, shared, name="mlp.shared_expert"))
    return modules
