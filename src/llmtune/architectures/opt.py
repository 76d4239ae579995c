"""OPT: learned positions, biases everywhere, tied embeddings that may be narrower than the layers (OPT-350m).

Source: vLLM 0.33.0 model_executor/models/opt.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.architectures.parts import BOTH, decoder, full, layer_norms, norm, plain_mlp, qkv, read_heads, row, whole
from llmtune.spec.model import LayerGroup
from llmtune.spec.weights import Embedding, Vector

if TYPE_CHECKING:
    from llmtune.architectures.config import Config
    from llmtune.spec.model import Model
    from llmtune.spec.weights import Module

ARCHITECTURES = ("OPTForCausalLM",)
POSITION_OFFSET = 2  # opt.py::OPTLearnedPositionalEmbedding numbers positions from 2


def describe(config: Config) -> Model:
    """Model from a config.json."""
    heads = read_heads(config)
    hidden, inner = heads.hidden, config.size("ffn_dim")
    bias = config.flag("enable_bias", default=True)
    modules: tuple[Module, ...] = (
        qkv("self_attn.qkv_proj", heads, bias=bias),
        row("self_attn.out_proj", hidden, hidden, bias=bias),
        *plain_mlp(hidden, inner, up="fc1", down="fc2", bias=bias),
    )
    if _normed(config):
        modules = (*modules, *layer_norms(hidden, "self_attn_layer_norm", "final_layer_norm", bias=True))
    layer = LayerGroup(modules, (full(heads),))
    return decoder(
        config,
        heads,
        [layer] * config.layers(),
        tied_default=True,
        intermediate=inner,
        layer_prefix="model.decoder.layers",
        unstaged=BOTH,
        embedding=_embedding(config, hidden),
        head=_head(config, hidden),
    )


def _normed(config: Config) -> bool:
    """Norms without weights (``layer_norm_elementwise_affine`` off) take no memory."""
    return config.flag("layer_norm_elementwise_affine", default=True)


def _embedding(config: Config, hidden: int) -> tuple[Module, ...]:
    """Token and position embeddings, and the projections to the layers' width and back, where it differs."""
    width = config.size("word_embed_proj_dim", default=hidden)
    tables: tuple[Module, ...] = (
        Embedding("model.decoder.embed_tokens", config.size("vocab_size"), width),
        Vector("model.decoder.embed_positions", config.size("max_position_embeddings") + POSITION_OFFSET, hidden),
    )
    if width == hidden:
        return tables
    return (
        *tables,
        whole("model.decoder.project_in", width, hidden),
        whole("model.decoder.project_out", hidden, width),
    )


def _head(config: Config, hidden: int) -> tuple[Module, ...]:
    modules: tuple[Module, ...] = ()
    if config.flag("do_layer_norm_before", default=True) and not config.flag("_remove_final_layer_norm"):
        modules = (norm("model.decoder.final_layer_norm", hidden, bias=True),) if _normed(config) else ()
    if config.flag("tie_word_embeddings", default=True):
        return modules
    width = config.size("word_embed_proj_dim", default=hidden)
    return (*modules, Embedding("lm_head", config.size("vocab_size"), width))
