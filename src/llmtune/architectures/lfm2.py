"""LFM2 and LFM2-MoE: short convolutions with some attention layers, tied embeddings.

Source: vLLM 0.33.0 model_executor/models/lfm2.py, lfm2_moe.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.architectures.config import Config
from llmtune.architectures.parts import column, decoder, experts, full, layer_norms, norm, qkv, read_heads, router, row
from llmtune.spec.model import LayerGroup, State, StateSpace
from llmtune.spec.weights import Vector

if TYPE_CHECKING:
    from llmtune.spec.model import Model
    from llmtune.spec.weights import Module

ARCHITECTURES = ("Lfm2ForCausalLM", "Lfm2MoeForCausalLM")


def describe(config: Config) -> Model:
    """Model from a config.json; the head is always the embedding."""
    heads = read_heads(config)
    hidden = heads.hidden
    norms = layer_norms(hidden, "operator_norm", "ffn_norm")
    attends = (
        qkv("self_attn.qkv_proj", heads),
        row("self_attn.out_proj", heads.heads * heads.head_dim, hidden),
        norm("self_attn.q_layernorm", heads.head_dim),
        norm("self_attn.k_layernorm", heads.head_dim),
    )
    kinds, full_at = config.items("layer_types"), set(config.items("full_attn_idxs"))
    layers = []
    for depth in range(config.layers()):
        common = (*_feed(config, hidden, depth), *norms)
        if kinds[depth] == "full_attention" if kinds else depth in full_at:
            layers.append(LayerGroup((*attends, *common), (full(heads),)))
        else:
            layers.append(LayerGroup((*_convolution(config, hidden), *common), (_cache(config, hidden),)))
    return decoder(
        Config({**config.data, "tie_word_embeddings": True}),
        heads,
        layers,
        head=(norm("model.embedding_norm", hidden),),
        unstaged=("embedding",),
    )


def _convolution(config: Config, hidden: int) -> tuple[Module, ...]:
    """Input projection (two gates and x), a convolution over the last tokens, output projection."""
    bias, width = config.flag("conv_bias"), config.size("conv_dim", default=hidden)
    return (
        column("short_conv.in_proj", hidden, width, width, width, bias=bias),
        Vector("short_conv.conv", width, config.size("conv_L_cache", default=3) + bias, sharded=True),
        row("short_conv.out_proj", width, hidden, bias=bias),
    )


def _cache(config: Config, hidden: int) -> StateSpace:
    columns = config.size("conv_L_cache", default=3) - 1
    state = State(units=config.size("conv_dim", default=hidden), columns=columns, speculative=True)
    return StateSpace("short_conv", (state,))


def _feed(config: Config, hidden: int, depth: int) -> tuple[Module, ...]:
    """A gated MLP, or in LFM2-MoE behind the dense layers a router and experts."""
    count = config.size("num_experts", default=0)
    if not count or depth < config.size("num_dense_layers", default=0):
        width = config.size("intermediate_size") if count else _width(config)
        return column("feed_forward.w13", hidden, width, width), row("feed_forward.w2", width, hidden)
    modules: tuple[Module, ...] = (
        router(hidden, count, name="feed_forward.gate"),
        experts(config, hidden, config.size("moe_intermediate_size"), count, name="feed_forward.experts"),
    )
    if config.flag("use_expert_bias", default=True):
        modules = (*modules, Vector("feed_forward.gate.e_score_correction_bias", count, bytes=4))
    return modules


def _width(config: Config) -> int:
    """The MLP's width: two thirds of what the config says, times a factor, rounded up (lfm2.py::Lfm2MLP)."""
    width = config.size("block_ff_dim", "intermediate_size")
    if not config.flag("block_auto_adjust_ff_dim", default=True):
        return width
    multiple = config.size("block_multiple_of", default=256) or 1
    scaled = int(config.number("block_ffn_dim_multiplier", 1.0) * int(2 * width / 3))
    return -(-scaled // multiple) * multiple
