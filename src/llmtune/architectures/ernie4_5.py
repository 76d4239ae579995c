"""ERNIE 4.5 without experts: Llama's layers with heads of their own width.

Source: vLLM 0.33.0 model_executor/models/ernie45.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.architectures.parts import attention, decoder, full, layer_norms, mlp, read_heads
from llmtune.spec.model import LayerGroup

if TYPE_CHECKING:
    from llmtune.architectures.config import Config
    from llmtune.spec.model import Model

ARCHITECTURES = ("Ernie4_5ForCausalLM",)


def describe(config: Config) -> Model:
    """Model from a config.json. ``use_bias`` is not looked at, as in the engine."""
    heads = read_heads(config)
    layer = LayerGroup(
        (*attention(heads), *mlp(heads.hidden, config.size("intermediate_size")), *layer_norms(heads.hidden)),
        (full(heads),),
    )
    return decoder(config, heads, [layer] * config.layers(), tied_default=True)
