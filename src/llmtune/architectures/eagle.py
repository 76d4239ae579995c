"""EAGLE and EAGLE-3 heads of Llama's and Qwen3's kind: a layer or a few that read the model's hidden states.

An EAGLE-3 head has an output vocabulary of its own, usually a smaller one. Its first layer reads embedding and hidden
state side by side; a projection joins three of the model's hidden states.
Source: vLLM 0.33.0 model_executor/models/llama_eagle.py, llama_eagle3.py, qwen3_eagle3.py.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from llmtune.architectures.parts import (
    attention,
    decoder,
    full,
    head_norms,
    layer_norms,
    mlp,
    norm,
    read_heads,
    whole,
    windowed,
)
from llmtune.spec.model import LayerGroup
from llmtune.spec.weights import Embedding, Linear, Vector

if TYPE_CHECKING:
    from llmtune.architectures.config import Config
    from llmtune.architectures.parts import Heads
    from llmtune.spec.model import Model
    from llmtune.spec.weights import Module

FIRST = ("EagleLlamaForCausalLM",)
THIRD = (
    "Eagle3LlamaForCausalLM",
    "LlamaForCausalLMEagle3",
    "Eagle3Qwen2_5vlForCausalLM",
    "Eagle3Qwen3vlForCausalLM",
    "Eagle3MiniMaxM2ForCausalLM",
    "PeagleLlamaForCausalLM",
)
QWEN = ("Eagle3Qwen3ForCausalLM", "PeagleQwen3ForCausalLM")
ARCHITECTURES = (*FIRST, *THIRD, *QWEN)
STATES = 3  # of the model's hidden states that EAGLE-3 reads, unless the config names them


def describe(config: Config) -> Model:
    """Model from a config.json."""
    heads = read_heads(config)
    name = str(config.items("architectures")[0])
    if name in FIRST:
        return _first(config, heads)
    return _third(config, heads, norms=name in QWEN)


def _first(config: Config, heads: Heads) -> Model:
    """EAGLE: the first layer has no input norm, nothing follows the last, and embedding and head are the model's."""
    bias = config.flag("attention_bias", default=config.flag("bias"))
    block = (
        *attention(heads, bias=bias, out_bias=bias),
        *mlp(heads.hidden, config.size("intermediate_size"), bias=config.flag("mlp_bias")),
    )
    layers = [
        LayerGroup((*block, *layer_norms(heads.hidden, *names)), (full(heads),))
        for names in [("post_attention_layernorm",), *[()] * (config.layers() - 1)]
    ]
    return decoder(config, heads, layers, embedding=_embedding(config, heads), head=(_join(config, heads, 2),))


def _third(config: Config, heads: Heads, *, norms: bool) -> Model:
    hidden = heads.hidden
    bias = config.flag("attention_bias")
    kinds, window = config.items("layer_types"), config.size("sliding_window", default=0)
    layers = []
    for depth in range(config.layers()):
        qkv, out = attention(heads, bias=bias, out_bias=bias)
        assert isinstance(qkv, Linear)
        modules: tuple[Module, ...] = (
            replace(qkv, inputs=hidden * (1 if depth else 2)),
            out,
            *(head_norms(heads) if norms else ()),
            *mlp(hidden, config.size("intermediate_size"), bias=config.flag("mlp_bias")),
            *layer_norms(hidden, "input_layernorm", "post_attention_layernorm", "hidden_norm"),
        )
        slides = depth < len(kinds) and kinds[depth] == "sliding_attention"
        layers.append(LayerGroup(modules, (windowed(heads, window if slides else 0),)))
    vocab = config.size("vocab_size")
    drafted = config.size("draft_vocab_size", default=vocab) or vocab
    head: tuple[Module, ...] = (norm("model.norm", hidden), Embedding("model.lm_head", drafted, hidden))
    if drafted != vocab:
        head = (*head, Vector("draft_id_to_target_id", drafted, bytes=8))
    eagle = config.part("eagle_config")
    if eagle.flag("use_aux_hidden_state", default=True):
        listed = len(eagle.items("eagle_aux_hidden_state_layer_ids")) or STATES
        head = (*head, *_states(config, heads, config.size("num_aux_hidden_states", default=listed)))
    return decoder(config, heads, layers, embedding=_embedding(config, heads), head=head)


def _states(config: Config, heads: Heads, count: int) -> tuple[Module, ...]:
    """The projection of several hidden states, with norms before it where the config asks for them."""
    width = config.size("target_hidden_size", default=heads.hidden)
    modules: tuple[Module, ...] = (whole("model.fc", count * width, heads.hidden),)
    if config.part("eagle_config").flag("norm_before_fc", default=config.flag("norm_before_fc")):
        modules = (*modules, norm("model.input_norm", count * width))
    if config.flag("fc_norm"):
        modules = (*modules, norm("model.fc_norm", count * width))
    return modules


def _join(config: Config, heads: Heads, count: int) -> Linear:
    return whole("model.fc", count * config.size("target_hidden_size", default=heads.hidden), heads.hidden)


def _embedding(config: Config, heads: Heads) -> tuple[Module, ...]:
    return (Embedding("embed_tokens", config.size("vocab_size"), heads.hidden),)
