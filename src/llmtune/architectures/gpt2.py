"""GPT-2: learned positions, biases everywhere, tied embeddings.

Source: vLLM 0.33.0 model_executor/models/gpt2.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.architectures.parts import BOTH, decoder, full, layer_norms, norm, plain_mlp, qkv, read_heads, row
from llmtune.spec.model import LayerGroup
from llmtune.spec.weights import Embedding, Vector

if TYPE_CHECKING:
    from llmtune.architectures.config import Config
    from llmtune.spec.model import Model

ARCHITECTURES = ("GPT2LMHeadModel",)


def describe(config: Config) -> Model:
    """Model from a config.json; the MLP is four times as wide unless ``n_inner`` says otherwise."""
    heads = read_heads(config)
    inner = config.size("n_inner", default=4 * heads.hidden)
    layer = LayerGroup(
        (
            qkv("attn.c_attn", heads, bias=True),
            row("attn.c_proj", heads.hidden, heads.hidden, bias=True),
            *plain_mlp(heads.hidden, inner, up="mlp.c_fc", down="mlp.c_proj"),
            *layer_norms(heads.hidden, "ln_1", "ln_2", bias=True),
        ),
        (full(heads),),
    )
    positions = config.size("n_positions", "max_position_embeddings")
    return decoder(
        config,
        heads,
        [layer] * config.layers("n_layer", "num_hidden_layers"),
        tied_default=True,
        intermediate=inner,
        layer_prefix="transformer.h",
        unstaged=BOTH,
        embedding=(
            Embedding("transformer.wte", config.size("vocab_size"), heads.hidden),
            Vector("transformer.wpe", positions, heads.hidden),
        ),
        head=(norm("transformer.ln_f", heads.hidden, bias=True),),
    )
