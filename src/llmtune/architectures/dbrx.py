"""DBRX: routed experts in every layer, sizes in nested parts of the config.

Source: vLLM 0.33.0 model_executor/models/dbrx.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.architectures.parts import BOTH, Heads, decoder, full, layer_norms, norm, qkv, router, row
from llmtune.spec.model import LayerGroup
from llmtune.spec.weights import Embedding, Experts

if TYPE_CHECKING:
    from llmtune.architectures.config import Config
    from llmtune.spec.model import Model

ARCHITECTURES = ("DbrxForCausalLM",)


def describe(config: Config) -> Model:
    """Model from a config.json."""
    inner, feed = config.part("attn_config"), config.part("ffn_config")
    hidden, count = config.size("d_model"), config.size("n_heads")
    heads = Heads(hidden, count, inner.size("kv_n_heads", default=1), hidden // max(count, 1))
    width, routed = feed.size("ffn_hidden_size"), feed.size("moe_num_experts", default=4)
    layer = LayerGroup(
        (
            qkv("norm_attn_norm.attn.Wqkv", heads),
            row("norm_attn_norm.attn.out_proj", hidden, hidden),
            *layer_norms(hidden, "norm_attn_norm.norm_1", "norm_attn_norm.norm_2"),
            router(hidden, routed, name="ffn.router.layer"),
            Experts("ffn.experts", routed, hidden, width, feed.size("moe_top_k", default=1)),
        ),
        (full(heads),),
    )
    vocab = config.size("vocab_size")
    return decoder(
        config,
        heads,
        [layer] * config.layers("n_layers", "num_hidden_layers"),
        intermediate=width,
        layer_prefix="transformer.blocks",
        unstaged=BOTH,
        embedding=(Embedding("transformer.wte", vocab, hidden),),
        head=(norm("transformer.norm_f", hidden), Embedding("lm_head", vocab, hidden)),
    )
