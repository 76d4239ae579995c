"""MiniCPM 3: latent projections as in DeepSeek, but keys and values are cached in full.

Source: vLLM 0.33.0 model_executor/models/minicpm3.py. Values are padded to the width of the keys.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.architectures.parts import BOTH, Heads, column, decoder, full, layer_norms, mlp, norm, row, whole
from llmtune.spec.model import LayerGroup

if TYPE_CHECKING:
    from llmtune.architectures.config import Config
    from llmtune.spec.model import Model
    from llmtune.spec.weights import Module

ARCHITECTURES = ("MiniCPM3ForCausalLM",)


def describe(config: Config) -> Model:
    """Model from a config.json."""
    hidden, count = config.size("hidden_size"), config.size("num_attention_heads")
    width = config.size("qk_nope_head_dim", default=64) + config.size("qk_rope_head_dim", default=32)
    heads = Heads(hidden, count, count, width)
    layer = LayerGroup(
        (*_latent(config, heads), *mlp(hidden, config.size("intermediate_size")), *layer_norms(hidden)),
        (full(heads),),
    )
    return decoder(config, heads, [layer] * config.layers(), tied_default=True, unstaged=BOTH)


def _latent(config: Config, heads: Heads) -> tuple[Module, ...]:
    """Down projections whole on every rank, up projections split by heads."""
    queries, keys = config.size("q_lora_rank", default=768), config.size("kv_lora_rank", default=256)
    rope = config.size("qk_rope_head_dim", default=32)
    nope = heads.head_dim - rope
    values = config.size("v_head_dim", default=heads.hidden // max(heads.heads, 1))
    return (
        whole("self_attn.q_a_proj", heads.hidden, queries),
        norm("self_attn.q_a_layernorm", queries),
        column("self_attn.q_b_proj", queries, heads.heads * heads.head_dim),
        whole("self_attn.kv_a_proj_with_mqa", heads.hidden, keys + rope),
        norm("self_attn.kv_a_layernorm", keys),
        column("self_attn.kv_b_proj", keys, heads.heads * (nope + values)),
        row("self_attn.o_proj", heads.heads * values, heads.hidden),
    )
