"""OLMoE: routed experts in every layer, norms over all query and key heads.

Source: vLLM 0.33.0 model_executor/models/olmoe.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.architectures.config import Config
from llmtune.architectures.parts import BOTH, attention, decoder, experts, full, layer_norms, norm, read_heads, router
from llmtune.spec.model import LayerGroup

if TYPE_CHECKING:
    from llmtune.spec.model import Model

ARCHITECTURES = ("OlmoeForCausalLM",)


def describe(config: Config) -> Model:
    """Model from a config.json; embeddings are never tied."""
    heads = read_heads(config)
    hidden, count = heads.hidden, config.size("num_experts")
    layer = LayerGroup(
        (
            *attention(heads),
            norm("self_attn.q_norm", heads.heads * heads.head_dim),
            norm("self_attn.k_norm", heads.kv_heads * heads.head_dim),
            router(hidden, count),
            experts(config, hidden, config.size("intermediate_size"), count),
            *layer_norms(hidden),
        ),
        (full(heads),),
    )
    untied = Config({**config.data, "tie_word_embeddings": False})
    return decoder(untied, heads, [layer] * config.layers(), unstaged=BOTH)
