"""Apertus: Llama's attention with head norms, and an MLP without a gate whose activation has two parameters.

Source: vLLM 0.33.0 model_executor/models/apertus.py, layers/activation.py::XIELU.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.architectures.parts import attention, decoder, head_norms, layer_norms, plain_mlp, read_heads, windowed
from llmtune.spec.model import LayerGroup
from llmtune.spec.weights import Vector

if TYPE_CHECKING:
    from llmtune.architectures.config import Config
    from llmtune.spec.model import Model

ARCHITECTURES = ("ApertusForCausalLM",)


def describe(config: Config) -> Model:
    """Model from a config.json."""
    heads = read_heads(config)
    bias = config.flag("attention_bias", default=config.flag("bias"))
    width = config.size("intermediate_size")
    layer = LayerGroup(
        (
            *attention(heads, bias=config.flag("qkv_bias", default=bias), out_bias=bias),
            *head_norms(heads),
            *plain_mlp(heads.hidden, width, up="mlp.up_proj", down="mlp.down_proj", bias=config.flag("mlp_bias")),
            Vector("mlp.act_fn", 2),
            *layer_norms(heads.hidden, "attention_layernorm", "feedforward_layernorm"),
        ),
        (windowed(heads, config.size("sliding_window", default=0)),),
    )
    return decoder(config, heads, [layer] * config.layers())
