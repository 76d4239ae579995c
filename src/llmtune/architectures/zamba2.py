"""Zamba2: Mamba 2 layers, and one or two attention blocks that several layers share.

The shared block's weights are counted where it first appears; every use has its own adapter and its own cache.
Source: vLLM 0.33.0 model_executor/models/zamba2.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.architectures.config import Config, ConfigError
from llmtune.architectures.parts import BOTH, Heads, column, decoder, full, mlp, norm, qkv, row, whole
from llmtune.architectures.recurrent import Mamba2
from llmtune.spec.model import LayerGroup

if TYPE_CHECKING:
    from llmtune.spec.model import Model
    from llmtune.spec.weights import Module

ARCHITECTURES = ("Zamba2ForCausalLM",)


def describe(config: Config) -> Model:
    """Model from a config.json. The attention block reads the layer's input beside the embedding: twice as wide."""
    hidden, count = config.size("hidden_size"), config.size("num_attention_heads")
    wide = 2 * hidden
    heads = Heads(wide, count, count, config.size("attention_head_dim", default=wide // max(count, 1)))
    mixer = _mixer(config, hidden)
    kinds = config.items("layers_block_type") or config.items("layer_types")
    if len(kinds) < config.layers():
        raise ConfigError("config.json: 'layers_block_type' needs an entry for every layer")
    layers, used = [], 0
    for kind in kinds[: config.layers()]:
        if kind == "hybrid":
            modules = (*mixer.modules("mamba_decoder.mamba"), norm("mamba_decoder.input_layernorm", hidden))
            modules = (*modules, whole("linear", hidden, hidden), *_shared(config, heads, used))
            layers.append(LayerGroup(modules, (full(heads), mixer.cache())))
            used += 1
        else:
            layers.append(LayerGroup((*mixer.modules("mamba"), norm("input_layernorm", hidden)), (mixer.cache(),)))
    return decoder(
        Config({**config.data, "tie_word_embeddings": True}),
        Heads(hidden, count, count, heads.head_dim),
        layers,
        head=(norm("model.final_layernorm", hidden),),
        unstaged=BOTH,
    )


def _mixer(config: Config, hidden: int) -> Mamba2:
    inner = config.size("mamba_expand", default=2) * hidden
    heads = config.size("n_mamba_heads", default=8)
    return Mamba2(
        hidden=hidden,
        inner=inner,
        heads=heads,
        head_dim=config.size("mamba_headdim", default=inner // max(heads, 1)),
        groups=config.size("mamba_ngroups", default=1),
        state=config.size("mamba_d_state", default=64),
        kernel=config.size("mamba_d_conv", default=4),
        bias=config.flag("add_bias_linear"),
        conv_bias=config.flag("use_conv_bias", default=True),
    )


def _shared(config: Config, heads: Heads, use: int) -> tuple[Module, ...]:
    """What the hybrid layer number ``use`` adds: its adapters, and the shared block if it is the first to use it."""
    hidden, wide = config.size("hidden_size"), heads.hidden
    width, rank = config.size("intermediate_size", default=4 * hidden), config.size("adapter_rank", default=128)
    modules: tuple[Module, ...] = _adapter("feed_forward.gate_up_proj", hidden, rank, (width, width))
    if config.flag("use_shared_attention_adapter"):
        for part in ("q", "k", "v"):
            modules = (*modules, *_adapter(f"self_attn.linear_{part}", wide, rank, (wide,)))
    if use >= config.size("num_mem_blocks", default=1):
        return modules
    bias = config.flag("add_bias_linear")
    return (
        *modules,
        qkv("shared_transformer.self_attn.qkv_proj", heads),
        row("shared_transformer.self_attn.o_proj", wide, hidden),
        *mlp(hidden, width, name="shared_transformer.feed_forward", bias=bias),
        norm("shared_transformer.input_layernorm", wide),
        norm("shared_transformer.pre_ff_layernorm", hidden),
    )


def _adapter(name: str, inputs: int, rank: int, outputs: tuple[int, ...]) -> tuple[Module, ...]:
    base = f"shared_transformer.{name}_adapter"
    return column(f"{base}.A", inputs, rank), column(f"{base}.B", rank, *outputs)
