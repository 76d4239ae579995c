"""Qwen3: Llama's layers with norms over query and key heads.

Source: vLLM 0.33.0 model_executor/models/qwen3.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.architectures.parts import attention, decoder, full, head_norms, layer_norms, mlp, read_heads
from llmtune.spec.model import LayerGroup

if TYPE_CHECKING:
    from llmtune.architectures.config import Config
    from llmtune.spec.model import Model

ARCHITECTURES = ("Qwen3ForCausalLM",)


def describe(config: Config) -> Model:
    """Model from a config.json."""
    heads = read_heads(config)
    layer = LayerGroup(
        (
            *attention(heads, bias=config.flag("attention_bias")),
            *head_norms(heads),
            *mlp(heads.hidden, config.size("intermediate_size")),
            *layer_norms(heads.hidden),
        ),
        (full(heads),),
    )
    return decoder(config, heads, [layer] * config.layers())
