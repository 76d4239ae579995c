"""MiniMax M2, M2.5, M2.7: routed experts everywhere, norms over all heads of a rank.

Source: vLLM 0.33.0 model_executor/models/minimax_m2.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.architectures.parts import attention, decoder, experts, full, layer_norms, read_heads, router
from llmtune.spec.model import LayerGroup
from llmtune.spec.weights import Vector

if TYPE_CHECKING:
    from llmtune.architectures.config import Config
    from llmtune.spec.model import Model

ARCHITECTURES = ("MiniMaxM2ForCausalLM",)


def describe(config: Config) -> Model:
    """Model from a config.json."""
    heads = read_heads(config)
    count = config.size("num_local_experts")
    layer = LayerGroup(
        (
            *attention(heads),
            Vector("self_attn.q_norm", heads.heads, heads.head_dim, sharded=True, reduced=True),
            Vector("self_attn.k_norm", heads.kv_heads, heads.head_dim, sharded=True, replicate=True),
            Vector("block_sparse_moe.e_score_correction_bias", count, bytes=4),
            experts(config, heads.hidden, config.size("intermediate_size"), count, name="block_sparse_moe.experts"),
            router(heads.hidden, count, name="block_sparse_moe.gate", fp32=True),
            *layer_norms(heads.hidden),
        ),
        (full(heads),),
    )
    return decoder(config, heads, [layer] * config.layers())
