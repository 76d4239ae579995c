"""EXAONE 4: norms after the blocks and over heads; windows in three of four layers of the large model.

Source: vLLM 0.33.0 model_executor/models/exaone4.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.architectures.parts import attention, decoder, head_norms, layer_norms, mlp, read_heads, windowed
from llmtune.spec.model import LayerGroup

if TYPE_CHECKING:
    from llmtune.architectures.config import Config
    from llmtune.spec.model import Model

ARCHITECTURES = ("Exaone4ForCausalLM",)


def describe(config: Config) -> Model:
    """Model from a config.json."""
    heads = read_heads(config)
    modules = (
        *attention(heads, bias=config.flag("attention_bias")),
        *head_norms(heads),
        *mlp(heads.hidden, config.size("intermediate_size")),
        *layer_norms(heads.hidden, "post_attention_layernorm", "post_feedforward_layernorm"),
    )
    window = config.size("sliding_window", default=0)
    kinds = config.items("layer_types")
    layers = []
    for depth in range(config.layers()):
        slides = bool(kinds) and kinds[depth] == "sliding_attention"
        layers.append(LayerGroup(modules, (windowed(heads, window if slides else 0),)))
    return decoder(config, heads, layers)
