"""MiniCPM 1 and 2: Llama's layers with scaled residuals, or routed experts (MiniCPM-MoE).

Source: vLLM 0.33.0 model_executor/models/minicpm.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.architectures.parts import BOTH, attention, decoder, experts, full, layer_norms, mlp, read_heads, router
from llmtune.spec.model import LayerGroup

if TYPE_CHECKING:
    from llmtune.architectures.config import Config
    from llmtune.spec.model import Model
    from llmtune.spec.weights import Module

ARCHITECTURES = ("MiniCPMForCausalLM",)


def describe(config: Config) -> Model:
    """Model from a config.json."""
    heads = read_heads(config)
    hidden, width = heads.hidden, config.size("intermediate_size")
    count = config.size("num_experts", default=0)
    feed: tuple[Module, ...] = mlp(hidden, width)
    if count:
        feed = (router(hidden, count), experts(config, hidden, width, count))
    layer = LayerGroup((*attention(heads), *feed, *layer_norms(hidden)), (full(heads),))
    return decoder(config, heads, [layer] * config.layers(), tied_default=True, unstaged=BOTH)
