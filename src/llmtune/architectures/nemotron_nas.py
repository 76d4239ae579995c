"""Nemotron-NAS (Llama-Nemotron Super and Ultra, DeciLM): Llama's layers, each with its own widths or left out.

``block_configs`` says for every layer how many query heads share a key head and how wide the MLP is; either may be a
no-op. Releases of the engine without ``block_configs`` support (DeciLM-7B's per-layer list of key heads) are not read.
Source: vLLM 0.33.0 model_executor/models/nemotron_nas.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.architectures.config import Config, ConfigError
from llmtune.architectures.parts import Heads, attention, decoder, mlp, norm
from llmtune.spec.model import FullAttention, LayerGroup

if TYPE_CHECKING:
    from llmtune.spec.model import Model
    from llmtune.spec.weights import Module

ARCHITECTURES = ("DeciLMForCausalLM",)
WIDTH_MULTIPLE = 256  # nemotron_nas.py::_find_multiple


def describe(config: Config) -> Model:
    """Model from a config.json."""
    hidden, count = config.size("hidden_size"), config.size("num_attention_heads")
    head_dim = config.size("head_dim", default=hidden // max(count, 1))
    blocks = config.items("block_configs")
    if len(blocks) < config.layers():
        raise ConfigError("config.json: 'block_configs' needs an entry for every layer; the engine reads no other form")
    layers = [_layer(config, Config({"block": block}).part("block"), head_dim) for block in blocks[: config.layers()]]
    kv_heads = max(
        (cache.kv_heads for layer in layers for cache in layer.caches if isinstance(cache, FullAttention)),
        default=count,
    )
    heads = Heads(hidden, count, kv_heads, head_dim)
    return decoder(config, heads, layers, intermediate=_widest(config))


def _layer(config: Config, block: Config, head_dim: int) -> LayerGroup:
    hidden, count = config.size("hidden_size"), config.size("num_attention_heads")
    mixer, feed = block.part("attention"), block.part("ffn")
    modules: tuple[Module, ...] = ()
    caches: tuple[FullAttention, ...] = ()
    if not mixer.flag("no_op"):
        heads = Heads(hidden, count, count // max(mixer.size("n_heads_in_group"), 1), head_dim)
        bias = config.flag("attention_bias", default=config.flag("bias"))
        given = config.flag("qkv_bias", default=bias)
        modules = (*attention(heads, bias=given, out_bias=bias), norm("input_layernorm", hidden))
        caches = (FullAttention(heads.kv_heads, head_dim),)
    if not feed.flag("no_op"):
        width = _width(feed, hidden)
        bias = config.flag("mlp_bias")
        modules = (*modules, *mlp(hidden, width, bias=bias), norm("post_attention_layernorm", hidden))
    return LayerGroup(modules, caches)


def _width(feed: Config, hidden: int) -> int:
    """Two thirds of ``ffn_mult`` times hidden, rounded up to 256: 5.25 x 8192 gives 28,672."""
    if not feed.has("ffn_mult"):
        return feed.size("intermediate_size")
    return -(-int(2 * feed.number("ffn_mult", 0.0) * hidden / 3) // WIDTH_MULTIPLE) * WIDTH_MULTIPLE


def _widest(config: Config) -> int:
    feeds = [Config({"block": block}).part("block").part("ffn") for block in config.items("block_configs")]
    return max((_width(feed, config.size("hidden_size")) for feed in feeds if not feed.flag("no_op")), default=0)
