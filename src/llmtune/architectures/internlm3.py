"""InternLM 3: Llama's layers with heads of their own width and separate switches for biases.

Source: vLLM 0.33.0 model_executor/models/llama.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.architectures.parts import attention, decoder, full, layer_norms, mlp, read_heads
from llmtune.spec.model import LayerGroup

if TYPE_CHECKING:
    from llmtune.architectures.config import Config
    from llmtune.spec.model import Model

ARCHITECTURES = ("InternLM3ForCausalLM",)


def describe(config: Config) -> Model:
    """Model from a config.json. ``qkv_bias`` decides over query, key and value, ``bias`` over the output."""
    heads = read_heads(config)
    bias = config.flag("attention_bias") or config.flag("bias")
    layer = LayerGroup(
        (
            *attention(heads, bias=config.flag("qkv_bias", default=bias), out_bias=bias),
            *mlp(heads.hidden, config.size("intermediate_size"), bias=config.flag("mlp_bias")),
            *layer_norms(heads.hidden),
        ),
        (full(heads),),
    )
    return decoder(config, heads, [layer] * config.layers())
