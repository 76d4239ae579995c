"""Hunyuan 3 (HY-V3): grouped-query attention with head norms, routed experts after the first dense layers.

Source: vLLM 0.33.0 model_executor/models/hy_v3.py, hy_v3_mtp.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.architectures.drafts import Frame, layered, predicted
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
)
from llmtune.spec.model import LayerGroup
from llmtune.spec.weights import Vector

if TYPE_CHECKING:
    from llmtune.architectures.config import Config
    from llmtune.spec.model import Model
    from llmtune.spec.weights import Module

ARCHITECTURES = ("HYV3ForCausalLM",)


def describe(config: Config) -> Model:
    """Model from a config.json."""
    heads = read_heads(config)
    common: tuple[Module, ...] = (*attention(heads), *layer_norms(heads.hidden))
    if config.flag("qk_norm"):
        common = (*common, *head_norms(heads))
    dense = config.size("first_k_dense_replace")
    count, layers = config.layers(), []
    for depth in range(count + predicted(config)):
        feed = mlp(heads.hidden, config.size("intermediate_size")) if depth < dense else _moe(config)
        layers.append(LayerGroup((*common, *feed), (full(heads),)))
    draft = layered(config, layers[count:], Frame(after="final_layernorm"))
    return decoder(config, heads, layers[:count], unstaged=BOTH, draft=draft)


def _moe(config: Config) -> tuple[Module, ...]:
    """Router in 32 bit with its expert bias, routed experts, shared experts."""
    hidden, count = config.size("hidden_size"), config.size("num_experts")
    width, shared = (
        config.size("expert_hidden_dim", "moe_intermediate_size"),
        config.size("num_shared_experts", default=0),
    )
    modules: tuple[Module, ...] = (
        router(hidden, count, fp32=True),
        Vector("mlp.expert_bias", count, bytes=4),
        experts(config, hidden, width, count),
    )
    return (*modules, *mlp(hidden, width * shared, name="mlp.shared_mlp")) if shared else modules
