"""Llama and the models that share its layers: grouped-query attention, gated MLP, two norms.

Source: vLLM 0.33.0 model_executor/models/llama.py, mistral.py, internlm2.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.architectures.parts import attention, decoder, layer_norms, mlp, read_heads, windowed
from llmtune.spec.model import LayerGroup

if TYPE_CHECKING:
    from llmtune.architectures.config import Config
    from llmtune.spec.model import Model

ARCHITECTURES = ("LlamaForCausalLM", "MistralForCausalLM", "InternLM2ForCausalLM", "AquilaForCausalLM")

MISTRAL_WINDOW = 4096  # transformers models/mistral/configuration_mistral.py


def describe(config: Config) -> Model:
    """Model from a config.json."""
    heads = read_heads(config)
    bias = config.flag("attention_bias", default=config.flag("bias"))
    layer = LayerGroup(
        (
            *attention(heads, bias=bias, out_bias=bias),
            *mlp(heads.hidden, config.size("intermediate_size"), bias=config.flag("mlp_bias")),
            *layer_norms(heads.hidden),
        ),
        (windowed(heads, _window(config)),),
    )
    return decoder(config, heads, [layer] * config.layers())


def _window(config: Config) -> int:
    """The window; a Mistral config that does not mention one has the Transformers default, one with null has none."""
    if config.text("model_type") == "mistral" and "sliding_window" not in config.data:
        return MISTRAL_WINDOW
    return config.size("sliding_window", default=0)
