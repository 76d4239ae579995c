"""Mamba and Falcon-Mamba: Mamba 1 mixers without attention, one norm a layer.

Source: vLLM 0.33.0 model_executor/models/mamba.py, layers/mamba/mamba_mixer.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.architectures.jamba import mamba1_cache
from llmtune.architectures.parts import BOTH, Heads, column, decoder, norm, row
from llmtune.spec.model import LayerGroup
from llmtune.spec.weights import Embedding, Vector

if TYPE_CHECKING:
    from llmtune.architectures.config import Config
    from llmtune.spec.model import Model
    from llmtune.spec.weights import Module

ARCHITECTURES = ("MambaForCausalLM", "FalconMambaForCausalLM")


def describe(config: Config) -> Model:
    """Model from a config.json. There are no heads; the engine counts none either."""
    hidden, vocab = config.size("hidden_size"), config.size("vocab_size")
    layer = LayerGroup((*_mixer(config), norm("norm", hidden)), (mamba1_cache(config),))
    head: tuple[Module, ...] = (norm("backbone.norm_f", hidden),)
    if not config.flag("tie_word_embeddings", default=True):
        head = (*head, Embedding("lm_head", vocab, hidden))
    return decoder(
        config,
        Heads(hidden, 0, 0, 0),
        [layer] * config.layers(),
        tied_default=True,
        layer_prefix="backbone.layers",
        unstaged=BOTH,
        embedding=(Embedding("backbone.embeddings", vocab, hidden),),
        head=head,
    )


def _mixer(config: Config) -> tuple[Module, ...]:
    """Input projection (x, gate), convolution, selection parameters, decay, output projection."""
    hidden, state = config.size("hidden_size"), config.size("state_size", default=16)
    inner = config.size("intermediate_size", default=config.size("expand", default=2) * hidden)
    kernel = config.size("conv_kernel", default=4) + config.flag("use_conv_bias", default=True)
    given = isinstance(config.data.get("time_step_rank"), int)
    rank = config.size("time_step_rank") if given else -(-hidden // 16)  # "auto"
    bias = config.flag("use_bias")
    return (
        column("mixer.in_proj", hidden, inner, inner, bias=bias),
        Vector("mixer.conv1d", inner, kernel, sharded=True),
        Vector("mixer.A", inner, state, sharded=True, bytes=4),
        Vector("mixer.D", inner, sharded=True),
        row("mixer.x_proj", inner, rank + 2 * state),
        column("mixer.dt_proj", rank, inner, bias=True),
        row("mixer.out_proj", inner, hidden, bias=bias),
    )
