"""OLMo 2 and OLMo 3: norms after the blocks and over all query and key heads; OLMo 3 has windows.

Source: vLLM 0.33.0 through its Transformers backend (transformers models/olmo2, olmo3).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.architectures.parts import attention, decoder, layer_norms, mlp, norm, read_heads, windowed
from llmtune.spec.model import LayerGroup

if TYPE_CHECKING:
    from llmtune.architectures.config import Config
    from llmtune.spec.model import Model

ARCHITECTURES = ("Olmo2ForCausalLM", "Olmo3ForCausalLM")
WINDOW_PATTERN = 4  # OLMo 3: every fourth layer sees everything


def describe(config: Config) -> Model:
    """Model from a config.json."""
    heads = read_heads(config)
    modules = (
        *attention(heads, bias=config.flag("attention_bias"), out_bias=config.flag("attention_bias")),
        norm("self_attn.q_norm", heads.heads * heads.head_dim),
        norm("self_attn.k_norm", heads.kv_heads * heads.head_dim),
        *mlp(heads.hidden, config.size("intermediate_size")),
        *layer_norms(heads.hidden, "post_attention_layernorm", "post_feedforward_layernorm"),
    )
    window = config.size("sliding_window", default=0)
    kinds = config.items("layer_types")
    layers = []
    for depth in range(config.layers()):
        slides = kinds[depth] == "sliding_attention" if kinds else (depth + 1) % WINDOW_PATTERN != 0
        layers.append(LayerGroup(modules, (windowed(heads, window if slides else 0),)))
    return decoder(config, heads, layers)
