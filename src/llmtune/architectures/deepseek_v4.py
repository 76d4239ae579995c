"""DeepSeek V4: compressed latent attention with windows, an indexer, hash-routed first layers, hyper-connections.

Source: vLLM 0.33.0 models/deepseek_v4 (mtp.py: the draft layers).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from llmtune.architectures.drafts import SHARED_HEAD, predicted
from llmtune.architectures.parts import Heads, column, decoder, experts, layer_norms, mlp, norm, router, row, whole
from llmtune.spec.model import CompressedLatent, CompressorState, Indexer, LayerGroup, WindowLatent
from llmtune.spec.weights import Embedding, Vector

if TYPE_CHECKING:
    from llmtune.architectures.config import Config
    from llmtune.spec.model import Cache, Model
    from llmtune.spec.weights import Module

ARCHITECTURES = ("DeepseekV4ForCausalLM",)
INDEXED = 4  # layers that compress four tokens into one also pick what they read


def describe(config: Config) -> Model:
    """Model from a config.json. ``compress_ratios`` has 0, 4 or 128 for every layer."""
    hidden, count = config.size("hidden_size"), config.size("num_attention_heads")
    heads = Heads(hidden, count, 1, config.size("head_dim"))
    ratios = config.items("compress_ratios")
    layers = [_layer(config, depth, int(ratios[depth])) for depth in range(config.layers())]
    model = decoder(config, heads, layers, draft=_drafts(config))
    return replace(model, head=(_streams_joined(config, "model.hc_head"), *model.head))


def _layer(config: Config, depth: int, ratio: int) -> LayerGroup:
    modules = (
        *latent_attention(config),
        *_compression(config, ratio),
        *routed_experts(config, depth),
        *hyper_connections(config),
        *layer_norms(config.size("hidden_size"), "attn_norm", "ffn_norm"),
    )
    return LayerGroup(modules, _caches(config, ratio))


def _drafts(config: Config) -> tuple[LayerGroup, ...]:
    """Layers that predict further tokens compress nothing; two projections take the place of DeepSeek-V3's one."""
    hidden, vocab, first = config.size("hidden_size"), config.size("vocab_size"), config.layers()
    embedding = (Embedding("embed_tokens", vocab, hidden),)
    layers: list[LayerGroup] = []
    for depth in range(first, first + predicted(config)):
        block = _layer(config, depth, 0)
        modules = (
            _streams_joined(config, "hc_head"),
            *(norm(name, hidden) for name in ("enorm", "hnorm", "shared_head.norm")),
            *(whole(name, hidden, hidden) for name in ("e_proj", "h_proj")),
            Embedding(SHARED_HEAD, vocab, hidden),
            *block.modules,
        )
        layers.append(LayerGroup(modules if layers else (*embedding, *modules), block.caches))
    return tuple(layers)


def _streams_joined(config: Config, name: str) -> Vector:
    """What makes one of the residual streams, in 32 bit."""
    return Vector(name, streams(config), streams(config) * config.size("hidden_size") + 1, bytes=4)


def streams(config: Config) -> int:
    """How many residual streams there are."""
    return config.size("hc_mult", default=4)


def latent_attention(config: Config) -> tuple[Module, ...]:
    """Attention over latents, without what compresses them."""
    hidden, heads = config.size("hidden_size"), config.size("num_attention_heads")
    dim, q_lora = config.size("head_dim"), config.size("q_lora_rank")
    groups, o_lora = config.size("o_groups"), config.size("o_lora_rank")
    return (
        whole("attn.fused_wqa_wkv", hidden, q_lora, dim),
        norm("attn.q_norm", q_lora),
        norm("attn.kv_norm", dim),
        column("attn.wq_b", q_lora, heads * dim),
        column("attn.wo_a", heads * dim // max(groups, 1), groups * o_lora),
        row("attn.wo_b", groups * o_lora, hidden),
        Vector("attn.attn_sink", heads, bytes=4),
    )


def _compression(config: Config, ratio: int) -> tuple[Module, ...]:
    """The compressor of a layer's own cache and, where it has an indexer, of the indexer's."""
    if not ratio:
        return ()
    modules = _compressor(config, "attn.compressor", config.size("head_dim"), ratio)
    if ratio != INDEXED:
        return modules
    heads, dim = config.size("index_n_heads"), config.size("index_head_dim")
    return (
        *modules,
        whole("attn.indexer.wq_b", config.size("q_lora_rank"), heads * dim),
        whole("attn.indexer.weights_proj", config.size("hidden_size"), heads, fixed=True),
        *_compressor(config, "attn.indexer.compressor", dim, ratio),
    )


def _compressor(config: Config, name: str, dim: int, ratio: int) -> tuple[Module, ...]:
    overlap = 2 if ratio == INDEXED else 1  # windows of the small ratio overlap
    return (
        Vector(f"{name}.ape", ratio, overlap * dim, bytes=4),
        whole(f"{name}.fused_wkv_wgate", config.size("hidden_size"), overlap * dim, overlap * dim, fixed=True),
        norm(f"{name}.norm", dim),
    )


def routed_experts(config: Config, depth: int) -> tuple[Module, ...]:
    """Router, experts and shared experts; the first layers route by token."""
    hidden, count = config.size("hidden_size"), config.size("n_routed_experts")
    width, shared = config.size("moe_intermediate_size"), config.size("n_shared_experts", default=0)
    hashed = depth < config.size("num_hash_layers", default=0)
    table = Vector("ffn.gate.tid2eid", config.size("vocab_size"), config.size("num_experts_per_tok"), bytes=4)
    bias = Vector("ffn.gate.e_score_correction_bias", count, bytes=4)
    return (
        router(hidden, count, name="ffn.gate"),
        table if hashed else bias,
        experts(config, hidden, width, count, name="ffn.experts"),
        *mlp(hidden, width * shared, name="ffn.shared_experts"),
    )


def hyper_connections(config: Config) -> tuple[Module, ...]:
    """Hyper-connections around attention and feed-forward, in 32 bit."""
    count = streams(config)
    rows = count * (count + 2)
    return (Vector("hc", 2, rows * (count * config.size("hidden_size") + 1) + 3, bytes=4),)


def _caches(config: Config, ratio: int) -> tuple[Cache, ...]:
    dim = config.size("head_dim")
    caches: tuple[Cache, ...] = (WindowLatent(dim, config.size("sliding_window")),)
    if not ratio:
        return caches
    own = (CompressedLatent(dim, ratio), CompressorState(dim, ratio))
    if ratio != INDEXED:
        return (*caches, *own)
    index = config.size("index_head_dim")
    return (*caches, Indexer(index, ratio, heads=config.size("index_n_heads")), CompressorState(index, ratio), *own)
