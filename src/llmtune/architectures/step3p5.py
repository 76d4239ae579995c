"""Step 3.5 Flash: windows with a head count of their own, gated heads, routed experts with one shared.

Source: vLLM 0.33.0 model_executor/models/step3p5.py, step3p5_mtp.py.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from llmtune.architectures.config import ConfigError
from llmtune.architectures.drafts import OWN_HEAD, Frame, layered, predicted
from llmtune.architectures.parts import (
    Heads,
    attention,
    column,
    decoder,
    experts,
    head_norms,
    layer_norms,
    mlp,
    router,
    windowed,
)
from llmtune.spec.model import LayerGroup
from llmtune.spec.weights import Vector

if TYPE_CHECKING:
    from llmtune.architectures.config import Config
    from llmtune.spec.model import Model
    from llmtune.spec.weights import Module

ARCHITECTURES = ("Step3p5ForCausalLM",)
SLIDING = "sliding_attention"


def describe(config: Config) -> Model:
    """Model from a config.json; ``layer_types`` may go on into the draft layers."""
    kinds, count = config.items("layer_types"), config.layers()
    if len(kinds) < count:
        raise ConfigError(f"config.json: 'layer_types' names {len(kinds)} of {count} layers")
    routed = _routed(config, count)
    layers = [_layer(config, slides=kinds[depth] == SLIDING, routed=depth in routed) for depth in range(count)]
    # Draft layers have an MLP and keep their output heads; the list of kinds may end before them.
    blocks = []
    for depth in range(count, count + predicted(config)):
        block = _layer(config, slides=depth < len(kinds) and kinds[depth] == SLIDING, routed=depth in routed)
        named = tuple(replace(module, name=f"mtp_block.{module.name}") for module in block.modules)
        blocks.append(replace(block, modules=named))
    return decoder(config, _heads(config), layers, draft=layered(config, blocks, Frame(head=OWN_HEAD)))


def _layer(config: Config, *, slides: bool, routed: bool) -> LayerGroup:
    heads = _heads(config, slides=slides)
    mixer = (
        *attention(heads, bias=config.flag("attention_bias")),
        *head_norms(heads),
        *layer_norms(heads.hidden),
    )
    if config.flag("use_head_wise_attn_gate"):
        mixer = (*mixer, column("self_attn.g_proj", heads.hidden, heads.heads))
    feed = _moe(config) if routed else mlp(heads.hidden, config.size("intermediate_size"))
    window = config.size("sliding_window", default=0) if slides else 0
    return LayerGroup((*mixer, *feed), (windowed(heads, window),))


def _heads(config: Config, *, slides: bool = False) -> Heads:
    """Head shape of the full layers, or of the sliding ones."""
    count = config.size("num_attention_heads")
    groups, hidden = config.size("num_attention_groups", "num_key_value_heads"), config.size("hidden_size")
    if slides:
        other = config.part("attention_other_setting")
        apart = other.size("num_attention_heads") if other.text("attention_type") == SLIDING else count
        count = config.size("num_sliding_attention_heads", default=apart)
    return Heads(hidden, count, groups, config.size("head_dim", default=hidden // max(count, 1)))


def _routed(config: Config, count: int) -> frozenset[int]:
    """Layers with experts: a list of kinds, a text of numbers, or all but the first."""
    kinds = config.items("mlp_layer_types")
    if kinds:
        return frozenset(depth for depth, kind in enumerate(kinds) if kind == "sparse")
    listed = config.text("moe_layers_enum").strip()
    if not listed:
        return frozenset(range(1, count))
    try:
        return frozenset(int(number) for number in listed.split(","))
    except ValueError as error:
        raise ConfigError("config.json: 'moe_layers_enum' must be numbers with commas between") from error


def _moe(config: Config) -> tuple[Module, ...]:
    """Router in 32 bit with its bias, routed experts, one shared expert."""
    hidden, count = config.size("hidden_size"), config.size("moe_num_experts")
    return (
        router(hidden, count, name="moe.gate", fp32=True),
        Vector("moe.router_bias", count, bytes=4),
        experts(config, hidden, config.size("moe_intermediate_size"), count, name="moe.experts"),
        *mlp(hidden, config.size("share_expert_dim"), name="moe.share_expert"),
    )
