"""SmolLM 3: Llama's layers; a window only where the config asks for one; tied embeddings.

Source: vLLM 0.33.0 through its Transformers backend (transformers models/smollm3).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.architectures.parts import attention, decoder, layer_norms, mlp, read_heads, windowed
from llmtune.spec.model import LayerGroup

if TYPE_CHECKING:
    from llmtune.architectures.config import Config
    from llmtune.spec.model import Model

ARCHITECTURES = ("SmolLM3ForCausalLM",)


def describe(config: Config) -> Model:
    """Model from a config.json."""
    heads = read_heads(config)
    bias = config.flag("attention_bias")
    modules = (
        *attention(heads, bias=bias, out_bias=bias),
        *mlp(heads.hidden, config.size("intermediate_size"), bias=config.flag("mlp_bias")),
        *layer_norms(heads.hidden),
    )
    window = config.size("sliding_window", default=0) if config.flag("use_sliding_window") else 0
    kinds = config.items("layer_types")
    layers = []
    for depth in range(config.layers()):
        slides = not kinds or kinds[depth] == "sliding_attention"
        layers.append(LayerGroup(modules, (windowed(heads, window if slides else 0),)))
    return decoder(config, heads, layers, tied_default=True)
