"""Command R, R+, R7B, A and Aya: parallel attention and MLP behind one norm, tied embeddings.

Source: vLLM 0.33.0 model_executor/models/commandr.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.architectures.parts import attention, decoder, layer_norms, mlp, read_heads, windowed
from llmtune.spec.model import LayerGroup
from llmtune.spec.weights import Vector

if TYPE_CHECKING:
    from llmtune.architectures.config import Config
    from llmtune.spec.model import Model
    from llmtune.spec.weights import Module

ARCHITECTURES = ("CohereForCausalLM", "Cohere2ForCausalLM")
WINDOW_PATTERN = 4  # Cohere2: every fourth layer sees everything


def describe(config: Config) -> Model:
    """Model from a config.json."""
    heads = read_heads(config)
    bias = config.flag("attention_bias")
    modules: tuple[Module, ...] = (
        *attention(heads, bias=bias, out_bias=bias),
        *mlp(heads.hidden, config.size("intermediate_size")),
        *layer_norms(heads.hidden, "input_layernorm"),
    )
    if config.flag("use_qk_norm"):
        modules = (
            *modules,
            Vector("self_attn.q_norm", heads.heads, heads.head_dim, sharded=True),
            Vector("self_attn.k_norm", heads.kv_heads, heads.head_dim, sharded=True),
        )
    window = config.size("sliding_window", default=0)
    kinds = config.items("layer_types")
    step = config.size("sliding_window_pattern", default=WINDOW_PATTERN)
    layers = []
    for depth in range(config.layers()):
        slides = kinds[depth] == "sliding_attention" if kinds else (depth + 1) % step != 0
        layers.append(LayerGroup(modules, (windowed(heads, window if slides else 0),)))
    return decoder(config, heads, layers, tied_default=True)
