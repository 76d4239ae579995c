"""Phi-3, Phi-3.5, Phi-4 and Phi-4-mini: Llama's layers without biases; the small ones have a window.

Source: vLLM 0.33.0 model_executor/models/phi3.py (Llama's classes).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.architectures.parts import attention, decoder, layer_norms, mlp, read_heads, windowed
from llmtune.spec.model import LayerGroup

if TYPE_CHECKING:
    from llmtune.architectures.config import Config
    from llmtune.spec.model import Model

ARCHITECTURES = ("Phi3ForCausalLM",)


def describe(config: Config) -> Model:
    """Model from a config.json."""
    heads = read_heads(config)
    layer = LayerGroup(
        (
            *attention(heads),
            *mlp(heads.hidden, config.size("intermediate_size")),
            *layer_norms(heads.hidden),
        ),
        (windowed(heads, config.size("sliding_window", default=0)),),
    )
    return decoder(config, heads, [layer] * config.layers())
