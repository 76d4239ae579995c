"""GPT-J: attention and MLP side by side behind one norm, a head with a bias.

Source: vLLM 0.33.0 model_executor/models/gpt_j.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.architectures.parts import BOTH, decoder, full, norm, plain_mlp, qkv, read_heads, row
from llmtune.spec.model import LayerGroup
from llmtune.spec.weights import Embedding

if TYPE_CHECKING:
    from llmtune.architectures.config import Config
    from llmtune.spec.model import Model

ARCHITECTURES = ("GPTJForCausalLM",)


def describe(config: Config) -> Model:
    """Model from a config.json; the MLP is four times as wide unless ``n_inner`` says otherwise."""
    heads = read_heads(config)
    hidden, vocab = heads.hidden, config.size("vocab_size")
    inner = config.size("n_inner", default=4 * hidden)
    layer = LayerGroup(
        (
            qkv("attn.qkv_proj", heads),
            row("attn.out_proj", hidden, hidden),
            *plain_mlp(hidden, inner, up="mlp.fc_in", down="mlp.fc_out"),
            norm("ln_1", hidden, bias=True),
        ),
        (full(heads),),
    )
    return decoder(
        config,
        heads,
        [layer] * config.layers("n_layer", "num_hidden_layers"),
        intermediate=inner,
        layer_prefix="transformer.h",
        unstaged=BOTH,
        embedding=(Embedding("transformer.wte", vocab, hidden),),
        head=(norm("transformer.ln_f", hidden, bias=True), Embedding("lm_head", vocab, hidden, bias=True)),
    )
