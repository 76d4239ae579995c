"""StableLM: Llama's layers with layer norms that have biases.

Source: vLLM 0.33.0 model_executor/models/stablelm.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.architectures.parts import BOTH, attention, decoder, full, layer_norms, mlp, norm, read_heads
from llmtune.spec.model import LayerGroup
from llmtune.spec.weights import Embedding

if TYPE_CHECKING:
    from llmtune.architectures.config import Config
    from llmtune.spec.model import Model

ARCHITECTURES = ("StableLmForCausalLM", "StableLMEpochForCausalLM")


def describe(config: Config) -> Model:
    """Model from a config.json."""
    heads = read_heads(config)
    layer = LayerGroup(
        (
            *attention(heads, bias=config.flag("use_qkv_bias")),
            *mlp(heads.hidden, config.size("intermediate_size")),
            *layer_norms(heads.hidden, bias=True),
        ),
        (full(heads),),
    )
    vocab = config.size("vocab_size")
    head = (norm("model.norm", heads.hidden, bias=True), Embedding("lm_head", vocab, heads.hidden))
    return decoder(config, heads, [layer] * config.layers(), head=head, unstaged=BOTH)
