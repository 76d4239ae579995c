"""Hunyuan V1, dense and with experts: Llama's layers with norms over query and key heads.

Source: vLLM 0.33.0 through its Transformers backend (transformers models/hunyuan_v1_moe, hunyuan_v1_dense).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.architectures.config import Config
from llmtune.architectures.parts import attention, decoder, full, layer_norms, mlp, norm, read_heads, router
from llmtune.spec.model import LayerGroup
from llmtune.spec.weights import Experts

if TYPE_CHECKING:
    from llmtune.spec.model import Model
    from llmtune.spec.weights import Module

ARCHITECTURES = ("HunYuanMoEV1ForCausalLM", "HunYuanDenseV1ForCausalLM")


def describe(config: Config) -> Model:
    """Model from a config.json. The shared expert is as wide as ``intermediate_size``."""
    heads = read_heads(config)
    hidden, width = heads.hidden, config.size("intermediate_size")
    bias = config.flag("attention_bias")
    common = (
        *attention(heads, bias=bias, out_bias=bias),
        *layer_norms(heads.hidden),
        norm("self_attn.query_layernorm", heads.head_dim),
        norm("self_attn.key_layernorm", heads.head_dim),
    )
    routed = config.text("model_type") != "hunyuan_v1_dense"
    layers = []
    for depth in range(config.layers()):
        feed = _moe(config, hidden, depth) if routed else mlp(hidden, width)
        layers.append(LayerGroup((*common, *feed), (full(heads),)))
    return decoder(config, heads, layers)


def _moe(config: Config, hidden: int, depth: int) -> tuple[Module, ...]:
    width, count = config.size("intermediate_size"), _of_layer(config, "num_experts", depth, 1)
    narrow, top_k = _of_layer(config, "moe_intermediate_size", depth, width), _of_layer(config, "moe_topk", depth, 1)
    return (
        router(hidden, count, name="mlp.gate.wg"),
        Experts("mlp.experts", count, hidden, narrow, top_k),
        *mlp(hidden, width, name="mlp.shared_mlp"),
    )


def _of_layer(config: Config, key: str, depth: int, default: int) -> int:
    """A size that is one number, or a list with one for every layer."""
    value = config.data.get(key)
    if not isinstance(value, list):
        return config.size(key, default=default)
    return Config({key: value[min(depth, len(value) - 1)]} if value else {}).size(key, default=default)
