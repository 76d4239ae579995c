"""MiMo-V2-Flash: full and windowed layers with head shapes of their own, routed experts.

Source: vLLM 0.33.0 model_executor/models/mimo_v2_flash.py, mimo_v2_mtp.py.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from llmtune.architectures.drafts import Frame, layered
from llmtune.architectures.parts import (
    Heads,
    attention,
    decoder,
    experts,
    layer_norms,
    mlp,
    router,
    windowed,
)
from llmtune.spec.model import LayerGroup
from llmtune.spec.weights import Linear, Vector

if TYPE_CHECKING:
    from llmtune.architectures.config import Config
    from llmtune.spec.model import Model
    from llmtune.spec.weights import Module

ARCHITECTURES = ("MiMoV2FlashForCausalLM",)


def describe(config: Config) -> Model:
    """Model from a config.json. ``hybrid_layer_pattern`` is 1 where a layer has the window."""
    windows = config.items("hybrid_layer_pattern")
    routed = config.items("moe_layer_freq")
    layers = [_layer(config, slides=bool(windows[i]), routed=bool(routed[i])) for i in range(config.layers())]
    draft = layered(config, [_draft_block(config)], Frame(after="final_layernorm", head="lm_head"))
    return decoder(config, _heads(config, ""), layers, draft=draft, draft_prefix="model.mtp.layers.0.")


def _draft_block(config: Config) -> LayerGroup:
    """The only one of a checkpoint's draft layers that is loaded: windowed, an MLP, its output projection in 16 bit."""
    block = _layer(config, slides=True, routed=False)
    kept = (replace(m, fixed=True) if isinstance(m, Linear) and "o_proj" in m.name else m for m in block.modules)
    return replace(block, modules=tuple(kept))


def _layer(config: Config, *, slides: bool, routed: bool) -> LayerGroup:
    heads = _heads(config, "swa_" if slides else "")
    modules: tuple[Module, ...] = (
        *attention(heads, bias=config.flag("attention_bias")),
        *layer_norms(heads.hidden),
        *(_moe(config) if routed else mlp(heads.hidden, config.size("intermediate_size"))),
    )
    sink = "add_swa_attention_sink_bias" if slides else "add_full_attention_sink_bias"
    sinks = config.flag(sink, default=slides)
    if sinks:
        modules = (*modules, Vector("self_attn.attention_sink_bias", heads.heads, sharded=True))
    return LayerGroup(modules, (replace(windowed(heads, _window(config) if slides else 0), sinks=sinks),))


def _heads(config: Config, kind: str) -> Heads:
    def read(key: str) -> int:
        return config.size(f"{kind}{key}", key)

    return Heads(
        config.size("hidden_size"),
        read("num_attention_heads"),
        read("num_key_value_heads"),
        read("head_dim"),
        read("v_head_dim"),
    )


def _window(config: Config) -> int:
    return config.size("sliding_window_size", "sliding_window")


def _moe(config: Config) -> tuple[Module, ...]:
    hidden, count = config.size("hidden_size"), config.size("n_routed_experts")
    return (
        router(hidden, count, fp32=True),
        Vector("mlp.gate.e_score_correction_bias", count, bytes=4),
        experts(config, hidden, config.size("moe_intermediate_size"), count),
    )
