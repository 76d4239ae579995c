"""DeepSeek V4.1: V4's layers, most of which read the compressed latents of a few; n-gram tables; a vision tower.

Left out: the DSpark draft layers, which only speculative decoding loads.
Source: vLLM 0.33.0 models/deepseek_v41 (nvidia/vl_model.py, nvidia/model.py, attention.py, compressor.py,
common/engram.py), models/deepseek_v4/common/vision.py, transformers_utils/configs/deepseek_v41.py.
"""

from __future__ import annotations

from dataclasses import replace
from math import ceil
from typing import TYPE_CHECKING

from llmtune.architectures.deepseek_v4 import hyper_connections, latent_attention, routed_experts, streams
from llmtune.architectures.parts import Heads, column, decoder, layer_norms, norm, row, whole
from llmtune.architectures.vision import fused_qkv, plain, text_part, unquantized, with_towers
from llmtune.spec.model import CompressedLatent, CompressorState, Indexer, LayerGroup, WindowLatent
from llmtune.spec.weights import Linear, Vector

if TYPE_CHECKING:
    from llmtune.architectures.config import Config
    from llmtune.spec.model import Cache, Model
    from llmtune.spec.weights import Module

ARCHITECTURES = ("DeepseekV41ForCausalLM",)
TABLE_BLOCK = 32  # numbers of a table's row that share a scale of one byte
GIB = 2**30


def describe(config: Config) -> Model:
    """Model from a config.json. ``compress_ratios`` has 0, 1 or 2 for every layer."""
    text, vision = text_part(config), config.part("vision_config")
    hidden = text.size("hidden_size")
    heads = Heads(hidden, text.size("num_attention_heads"), 1, text.size("head_dim"))
    routes_images = vision.size("num_hidden_layers", default=0) > 0
    layers = [_layer(text, depth, routes_images=routes_images) for depth in range(text.layers())]
    item = _largest_image(vision) if routes_images else (0, 0)
    model = with_towers(decoder(text, heads, layers), unquantized(_tower(vision, hidden)), item=item)
    marks = Vector("image_marks", 3, hidden, bytes=4)  # start, end and new line of an image; there without a tower too
    return replace(model, embedding=(*model.embedding, marks), notes=_notes(text))


def _layer(config: Config, depth: int, *, routes_images: bool) -> LayerGroup:
    count = config.size("n_routed_experts")
    ratio, source = _ratio(config, depth), _source(config, depth)
    biases = (Vector("ffn.gate.bias_vl", count, bytes=4),) if routes_images else ()
    modules = (
        *_ngrams(config, depth),
        *latent_attention(config),
        *_compression(config, depth, ratio),
        *routed_experts(config, depth),
        *biases,
        *hyper_connections(config),
        *layer_norms(config.size("hidden_size"), "attn_norm", "ffn_norm"),
    )
    reads = source if ratio and source != depth else None
    return LayerGroup(modules, _caches(config, depth, ratio), source=reads)


def _ratio(config: Config, depth: int) -> int:
    """Tokens that become one latent; 0 for layers that see the window only."""
    ratios = config.items("compress_ratios")
    return int(ratios[depth]) if depth < len(ratios) else 0


def _source(config: Config, depth: int) -> int | None:
    """The nearest layer from here down that compresses."""
    return max((layer for layer in config.items("kv_source_layer_ids") if layer <= depth), default=None)


def _compression(config: Config, depth: int, ratio: int) -> tuple[Module, ...]:
    """The compressor of a layer that others read, and an indexer, whose keys come from the compressor's latents."""
    hidden, dim, index = config.size("hidden_size"), config.size("head_dim"), config.size("index_head_dim")
    modules: tuple[Module, ...] = ()
    compresses = depth in config.items("kv_source_layer_ids")
    if depth in config.items("index_source_layer_ids"):
        heads = config.size("index_n_heads")
        modules = (
            whole("attn.indexer.wq_b", config.size("q_lora_rank"), heads * index),
            whole("attn.indexer.weights_proj", hidden, heads, fixed=True),
        )
        if compresses:
            keys = (whole("attn.indexer.wk", dim, index, fixed=True), norm("attn.indexer.k_norm", index))
            modules = (*modules, *keys)
    if not compresses:
        return modules
    gated = (dim, dim) if ratio > 1 else (dim,)  # a single token needs no gate
    joined = whole("attn.compressor.fused_wkv_wgate", hidden, *gated, fixed=True)
    return (*modules, joined, norm("attn.compressor.norm", dim))


def _caches(config: Config, depth: int, ratio: int) -> tuple[Cache, ...]:
    dim = config.size("head_dim")
    caches: tuple[Cache, ...] = (WindowLatent(dim, config.size("sliding_window"), v41=True),)
    if depth not in config.items("kv_source_layer_ids"):
        return caches
    caches = (*caches, CompressedLatent(dim, ratio))
    if depth in config.items("index_source_layer_ids"):
        heads = config.size("index_n_heads")
        caches = (*caches, Indexer(config.size("index_head_dim"), ratio, v41=True, heads=heads))
    return (*caches, CompressorState(dim, ratio)) if ratio > 1 else caches


def _ngrams(config: Config, depth: int) -> tuple[Module, ...]:
    """A table of n-gram rows, split by hash heads, and what writes them into the residual streams."""
    layers = config.items("engram_layer_ids")
    if depth not in layers:
        return ()
    hidden, count, dim = config.size("hidden_size"), streams(config), config.size("engram_head_dim")
    columns = _hash_columns(config)
    rows = -(-int(config.items("engram_num_embeddings")[layers.index(depth)]) // max(columns, 1))
    return (
        Vector("engram.embed_tokens", columns, rows * _row_bytes(dim), sharded=True, bytes=1, host=True),
        column("engram.wkv", columns * dim, hidden * (count + 1)),
        Vector("engram.weights", 2 * count, hidden),
    )


def _hash_columns(config: Config) -> int:
    """Rows that are looked up for a token: one for every length of n-gram and head."""
    return (config.size("engram_max_ngram_size") - 1) * config.size("engram_n_heads")


def _row_bytes(dim: int) -> int:
    return dim + dim // TABLE_BLOCK


def _largest_image(vision: Config) -> tuple[int, int]:
    """All tokens an image may have, and the patches of the grid with most of them among those that fit.

    Every row of tokens ends in a newline and two marks stand around them all; a token folds a square of patches.
    Source: common/mm_preprocess.py::DeepseekV4VLProcessingInfo.get_image_size_with_most_features.
    """
    budget, fold = vision.size("max_image_tokens", default=1024), vision.size("downsample_ratio", default=3)
    widest = vision.number("max_wh_ratio", float(budget))
    grids = ((rows * fold, ((budget - 2) // rows - 1) * fold) for rows in range(1, budget // 2))
    return budget, max((height * min(width, ceil(height * widest)) for height, width in grids), default=0)


def _tower(vision: Config, out: int) -> list[Module]:
    """The vision tower; its layers stay whole on every rank where its heads do not divide."""
    hidden, heads = vision.size("hidden_size", default=1024), vision.size("num_attention_heads", default=16)
    width = vision.size("intermediate_size", default=2816)
    joint = hidden * vision.size("downsample_ratio", default=3) ** 2
    modules: list[Module] = [
        plain("vision.patch_embed.proj", 3 * vision.size("patch_size", default=14) ** 2, hidden, bias=True)
    ]
    for index in range(vision.size("num_hidden_layers", default=0)):
        here = f"vision.blocks.{index}."
        modules += (
            norm(here + "norm1", hidden),
            fused_qkv(here + "attn.wqkv", hidden, heads, hidden // max(heads, 1)),
            row(here + "attn.wo", hidden, hidden, bias=True),
            norm(here + "norm2", hidden),
            column(here + "mlp.w1", hidden, width, width),
            row(here + "mlp.w2", width, hidden),
        )
    modules += (
        norm("vision.norm", hidden),
        column("aligner.w1", joint, out, bias=True),
        row("aligner.w2", out, out, bias=True),
    )
    return [replace(module, heads=heads) if isinstance(module, Linear) else module for module in modules]


def _notes(config: Config) -> tuple[str, ...]:
    rows = sum(int(count) for count in config.items("engram_num_embeddings"))
    if not rows:
        return ()
    size = rows * _row_bytes(config.size("engram_head_dim")) / GIB
    return (
        f"the n-gram tables ({size:.1f} GiB over all tensor parallel ranks) lie in pinned host memory, not on the "
        'GPUs, unless --engram-config says {"cpu_offload": false}',
    )
