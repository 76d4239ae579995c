"""Gemma 1, 2 and 3 (text): wide heads, tied embeddings, windows from Gemma 2 on.

Source: vLLM 0.33.0 model_executor/models/gemma.py, gemma2.py, gemma3.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.architectures.parts import attention, decoder, head_norms, layer_norms, mlp, read_heads, windowed
from llmtune.spec.model import LayerGroup

if TYPE_CHECKING:
    from llmtune.architectures.config import Config
    from llmtune.spec.model import Model
    from llmtune.spec.weights import Module

ARCHITECTURES = ("GemmaForCausalLM", "Gemma2ForCausalLM", "Gemma3ForCausalLM")
FOUR_NORMS = (
    "input_layernorm",
    "post_attention_layernorm",
    "pre_feedforward_layernorm",
    "post_feedforward_layernorm",
)
WINDOW_PATTERN = 6  # Gemma 3: every sixth layer sees everything (sliding_window_pattern)


def describe(config: Config) -> Model:
    """Model from a config.json."""
    heads = read_heads(config)
    kind = config.text("model_type")
    modules: tuple[Module, ...] = (
        *attention(heads, bias=config.flag("attention_bias"), out_bias=config.flag("attention_bias")),
        *mlp(heads.hidden, config.size("intermediate_size")),
        *layer_norms(heads.hidden, *(() if kind == "gemma" else FOUR_NORMS)),
    )
    if kind.startswith("gemma3"):
        modules = (*modules, *head_norms(heads))
    layers = [LayerGroup(modules, (windowed(heads, window_at(config, depth)),)) for depth in range(config.layers())]
    return decoder(config, heads, layers, tied_default=True)


def window_at(config: Config, depth: int) -> int:
    """The window of the layer at a depth, 0 where it sees everything."""
    kind = config.text("model_type")
    if kind == "gemma":
        return 0
    kinds = config.items("layer_types")
    if kinds:
        slides = kinds[depth] == "sliding_attention"
    elif kind == "gemma2":
        slides = depth % 2 == 0
    else:
        slides = (depth + 1) % config.size("sliding_window_pattern", default=WINDOW_PATTERN) != 0
    return config.size("sliding_window", default=4096) if slides else 0
