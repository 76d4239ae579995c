"""Qwen2, Qwen2.5 and MiMo: Llama's layers with biases on query, key and value.

Source: vLLM 0.33.0 model_executor/models/qwen2.py, mimo.py, mimo_mtp.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.architectures.drafts import Frame, layered, predicted
from llmtune.architectures.parts import attention, decoder, layer_norms, mlp, read_heads, windowed
from llmtune.spec.model import LayerGroup

if TYPE_CHECKING:
    from llmtune.architectures.config import Config
    from llmtune.spec.model import Model

ARCHITECTURES = ("Qwen2ForCausalLM", "MiMoForCausalLM")
MIMO = Frame(("token_layernorm", "hidden_layernorm"), "input_proj", "final_layernorm", "lm_head")


def describe(config: Config) -> Model:
    """Model from a config.json. The window counts only with ``use_sliding_window``."""
    heads = read_heads(config)
    window = config.size("sliding_window", default=0) if config.flag("use_sliding_window") else 0
    modules = (
        *attention(heads, bias=True),
        *mlp(heads.hidden, config.size("intermediate_size")),
        *layer_norms(heads.hidden),
    )
    full_layers = config.size("max_window_layers", default=0) if window else 0
    kinds = config.items("layer_types")
    layers = []
    for depth in range(config.layers()):
        slides = kinds[depth] == "sliding_attention" if kinds else depth >= full_layers
        layers.append(LayerGroup(modules, (windowed(heads, window if slides else 0),)))
    drafts = predicted(config) if config.text("model_type") == "mimo" else 0
    blocks = [LayerGroup(modules, (windowed(heads, 0),))] * drafts
    return decoder(config, heads, layers, draft=layered(config, blocks, MIMO))
