"""Mamba 2 (Codestral Mamba and others): Mamba 2 mixers without attention, one norm a layer.

Source: vLLM 0.33.0 model_executor/models/mamba2.py, layers/mamba/mamba_mixer2.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.architectures.parts import BOTH, Heads, decoder, norm
from llmtune.architectures.recurrent import Mamba2
from llmtune.spec.model import LayerGroup
from llmtune.spec.weights import Embedding

if TYPE_CHECKING:
    from llmtune.architectures.config import Config
    from llmtune.spec.model import Model
    from llmtune.spec.weights import Module

ARCHITECTURES = ("Mamba2ForCausalLM",)


def describe(config: Config) -> Model:
    """Model from a config.json."""
    hidden, vocab = config.size("hidden_size"), config.size("vocab_size")
    mixer = Mamba2(
        hidden=hidden,
        inner=config.size("intermediate_size", default=config.size("expand", default=2) * hidden),
        heads=config.size("num_heads"),
        head_dim=config.size("head_dim"),
        groups=config.size("n_groups", default=1),
        state=config.size("state_size"),
        kernel=config.size("conv_kernel", default=4),
        bias=config.flag("use_bias"),
        conv_bias=config.flag("use_conv_bias", default=True),
    )
    layer = LayerGroup((*mixer.modules("mixer"), norm("norm", hidden)), (mixer.cache(),))
    head: tuple[Module, ...] = (norm("backbone.norm_f", hidden),)
    if not config.flag("tie_word_embeddings"):
        head = (*head, Embedding("lm_head", vocab, hidden))
    return decoder(
        config,
        Heads(hidden, 0, 0, 0),
        [layer] * config.layers(),
        layer_prefix="backbone.layers",
        unstaged=BOTH,
        embedding=(Embedding("backbone.embeddings", vocab, hidden),),
        head=head,
    )
