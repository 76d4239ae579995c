"""gpt-oss: windows in every other layer, attention sinks, experts in MXFP4.

Source: vLLM 0.33.0 model_executor/models/gpt_oss.py.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from llmtune.architectures.parts import BOTH, attention, decoder, layer_norms, read_heads, router, windowed
from llmtune.spec.model import LayerGroup
from llmtune.spec.weights import Experts, Vector

if TYPE_CHECKING:
    from llmtune.architectures.config import Config
    from llmtune.spec.model import Model

ARCHITECTURES = ("GptOssForCausalLM",)


def describe(config: Config) -> Model:
    """Model from a config.json. Even layers have the window (``layer_idx % 2 == 0``)."""
    heads = read_heads(config)
    count = config.size("num_local_experts")
    top_k = config.size("num_experts_per_tok", "experts_per_token", default=4)
    modules = (
        *attention(heads, name="attn", bias=True, out_bias=True),
        Vector("attn.sinks", heads.heads, sharded=True),
        router(heads.hidden, count, name="mlp.router", bias=True),
        Experts("mlp.experts", count, heads.hidden, config.size("intermediate_size"), top_k, bias=True),
        *layer_norms(heads.hidden),
    )
    window = config.size("sliding_window", default=0)
    kinds = config.items("layer_types")
    layers = []
    for depth in range(config.layers()):
        slides = kinds[depth] == "sliding_attention" if kinds else depth % 2 == 0
        cache = replace(windowed(heads, window if slides else 0), sinks=True)
        layers.append(LayerGroup(modules, (cache,)))
    return decoder(config, heads, layers, unstaged=BOTH)
