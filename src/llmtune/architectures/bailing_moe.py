"""Ling 1 and 2 (Bailing MoE): routed experts after the first dense layers, shared experts as one MLP.

Source: vLLM 0.33.0 model_executor/models/bailing_moe.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.architectures.parts import decoder, experts, full, layer_norms, mlp, norm, qkv, read_heads, router, row
from llmtune.spec.model import LayerGroup
from llmtune.spec.weights import Embedding, Vector

if TYPE_CHECKING:
    from llmtune.architectures.config import Config
    from llmtune.architectures.parts import Heads
    from llmtune.spec.model import Model
    from llmtune.spec.weights import Module

ARCHITECTURES = ("BailingMoeForCausalLM", "BailingMoeV2ForCausalLM")


def describe(config: Config) -> Model:
    """Model from a config.json."""
    heads = read_heads(config)
    hidden, vocab = heads.hidden, config.size("vocab_size")
    common = (*_attention(config, heads), *layer_norms(hidden))
    dense = mlp(hidden, config.size("intermediate_size"), bias=config.flag("use_bias"))
    first = config.size("first_k_dense_replace", default=0)
    layers = [
        LayerGroup((*common, *(dense if depth < first else _moe(config, hidden))), (full(heads),))
        for depth in range(config.layers())
    ]
    return decoder(config, heads, layers, embedding=(Embedding("model.word_embeddings", vocab, hidden),))


def _attention(config: Config, heads: Heads) -> tuple[Module, ...]:
    bias = config.flag("use_bias")
    modules: tuple[Module, ...] = (
        qkv("attention.query_key_value", heads, bias=bias or config.flag("use_qkv_bias")),
        row("attention.dense", heads.heads * heads.head_dim, heads.hidden, bias=bias),
    )
    if not config.flag("use_qk_norm"):
        return modules
    centred = not config.flag("use_rmsnorm")
    return (
        *modules,
        norm("attention.query_layernorm", heads.head_dim, bias=centred),
        norm("attention.key_layernorm", heads.head_dim, bias=centred),
    )


def _moe(config: Config, hidden: int) -> tuple[Module, ...]:
    """Router (32 bit where the config says so), its bias, routed experts, shared experts."""
    count, width = config.size("num_experts"), config.size("moe_intermediate_size")
    modules: tuple[Module, ...] = (
        router(hidden, count, fp32=config.text("router_dtype") == "fp32"),
        experts(config, hidden, width, count),
    )
    if config.flag("moe_router_enable_expert_bias"):
        modules = (*modules, Vector("mlp.gate.expert_bias", count, bytes=4))
    shared = config.size("num_shared_experts", default=0)
    if not shared:
        return modules
    wide = shared * config.size("moe_shared_expert_intermediate_size", default=width)
    return (*modules, *mlp(hidden, wide, name="mlp.shared_experts", bias=config.flag("use_bias")))
