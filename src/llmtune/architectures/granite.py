"""Granite 3: Llama's layers; GraniteMoe has routed experts instead of the MLP.

Source: vLLM 0.33.0 model_executor/models/granite.py, granitemoe.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.architectures.parts import BOTH, attention, decoder, experts, full, layer_norms, mlp, read_heads, router
from llmtune.spec.model import LayerGroup

if TYPE_CHECKING:
    from llmtune.architectures.config import Config
    from llmtune.spec.model import Model
    from llmtune.spec.weights import Module

ARCHITECTURES = ("GraniteForCausalLM", "GraniteMoeForCausalLM")


def describe(config: Config) -> Model:
    """Model from a config.json."""
    heads = read_heads(config)
    width, count = config.size("intermediate_size"), config.size("num_local_experts", default=0)
    feed: tuple[Module, ...] = mlp(heads.hidden, width, bias=config.flag("mlp_bias"))
    if count:
        gate = router(heads.hidden, count, name="block_sparse_moe.gate")
        feed = (gate, experts(config, heads.hidden, width, count, name="block_sparse_moe.experts"))
    bias = config.flag("attention_bias")
    layer = LayerGroup((*attention(heads, bias=bias, out_bias=bias), *feed, *layer_norms(heads.hidden)), (full(heads),))
    return decoder(config, heads, [layer] * config.layers(), unstaged=BOTH if count else ())
