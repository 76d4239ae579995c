"""MiniMax M3: dense first layers, then routed experts and attention to the blocks that an index branch picks.

Source: vLLM 0.33.0 models/minimax_m3/nvidia/model.py, nvidia/mtp.py, common/vision_tower.py.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from llmtune.architectures.drafts import Frame, layered, predicted
from llmtune.architectures.parts import (
    Heads,
    attention,
    column,
    decoder,
    experts,
    full,
    head_norms,
    layer_norms,
    mlp,
    norm,
    read_heads,
    router,
    row,
)
from llmtune.architectures.vision import encoder_blocks, square_item, text_part, with_towers
from llmtune.spec.model import Indexer, LayerGroup
from llmtune.spec.weights import Linear, Shard, Slice, Vector

if TYPE_CHECKING:
    from llmtune.architectures.config import Config
    from llmtune.spec.model import Cache, Model
    from llmtune.spec.weights import Module

ARCHITECTURES = ("MiniMaxM3SparseForCausalLM", "MiniMaxM3SparseForConditionalGeneration")
PIXELS = 451_584  # of the largest image (processors/minimax_m3.py::MiniMaxM3VLImageProcessor.max_pixels)
VIDEO = (768, 3072, 250)  # tokens and patches of a step of a video, and the most steps (get_max_video_tokens)
BLOCK = ("layer_norm1", "self_attn.qkv_proj", "self_attn.out_proj", "layer_norm2", "fc1", "fc2")


def describe(config: Config) -> Model:
    """Model from a config.json."""
    text, vision = text_part(config), config.part("vision_config")
    model = _describe_text(text)
    if not vision.data:
        return model
    merge = vision.part("img_token_compression_config").size("spatial_merge_size", default=2)
    item = square_item(PIXELS, vision.size("patch_size"), merge)
    return with_towers(model, _tower(config, vision, model.hidden), item=item, video=VIDEO)


def _describe_text(config: Config) -> Model:
    heads = read_heads(config)
    routed = config.items("moe_layer_freq")
    sparse = config.part("sparse_attention_config").items("sparse_attention_freq")
    layers = []
    for depth in range(config.layers()):
        picks = depth < len(sparse) and sparse[depth] != 0
        feed = (
            _moe(config, heads.hidden)
            if not routed or routed[depth] != 0
            else mlp(heads.hidden, config.size("dense_intermediate_size"))
        )
        mixer, caches = _sparse(config, heads) if picks else ((*attention(heads), *head_norms(heads)), (full(heads),))
        layers.append(LayerGroup((*mixer, *feed, *layer_norms(heads.hidden)), caches))
    mixer, caches = _sparse(config, heads) if sparse else ((), ())
    block = LayerGroup((*mixer, *_moe(config, heads.hidden), *layer_norms(heads.hidden)), caches)
    blocks = [block] * (predicted(config, "num_mtp_modules") if sparse else 0)
    draft = layered(config, blocks, Frame(after="final_layernorm", head="lm_head", fixed=False))
    return decoder(config, heads, layers, draft=draft, draft_prefix="model.layers.0.")


def _sparse(config: Config, heads: Heads) -> tuple[tuple[Module, ...], tuple[Cache, ...]]:
    """Attention whose fused projection also makes index queries (split like keys) and one index key (copied)."""
    sparse = config.part("sparse_attention_config")
    dim = sparse.size("sparse_index_dim")
    joint = Linear(
        "self_attn.qkv_proj",
        heads.hidden,
        (
            Slice(heads.heads, heads.head_dim),
            Slice(heads.kv_heads, heads.head_dim, replicate=True),
            Slice(heads.kv_heads, heads.head_dim, replicate=True),
            Slice(sparse.size("sparse_num_index_heads"), dim, replicate=True),
            Slice(dim, copied=True),
        ),
        Shard.COLUMN,
    )
    modules = (
        joint,
        attention(heads)[1],
        *head_norms(heads),
        norm("self_attn.index_q_norm", dim),
        norm("self_attn.index_k_norm", dim),
    )
    return modules, (
        replace(full(heads), sparse=True),
        Indexer(dim, quantized=False, heads=sparse.size("sparse_num_index_heads")),
    )


def _moe(config: Config, hidden: int) -> tuple[Module, ...]:
    """Router in 32 bit with its correction bias, routed experts, shared experts."""
    count, width = config.size("num_local_experts"), config.size("intermediate_size")
    modules: tuple[Module, ...] = (
        router(hidden, count, name="block_sparse_moe.gate", fp32=True),
        experts(config, hidden, width, count, name="block_sparse_moe.experts"),
    )
    if config.flag("use_routing_bias"):
        modules = (*modules, Vector("block_sparse_moe.e_score_correction_bias", count, bytes=4))
    shared = config.size("n_shared_experts", default=0)
    return (*modules, *mlp(hidden, width * shared, name="block_sparse_moe.shared_experts")) if shared else modules


def _tower(config: Config, vision: Config, hidden: int) -> tuple[Module, ...]:
    """CLIP-like tower with rotary positions, its projector and the MLP that merges patches."""
    width, inner = vision.size("hidden_size"), config.size("projector_hidden_size", default=hidden)
    merging = vision.part("img_token_compression_config")
    merge = merging.size("spatial_merge_size", default=2)
    pixels = vision.size("num_channels", default=3) * vision.size("patch_size") ** 2
    bias = vision.flag("multimodal_projector_bias", default=True)
    merge_bias = vision.flag("patch_merge_bias", default=True)
    top = "vision_tower."
    return (
        Vector(
            top + "vision_model.embeddings.patch_embedding",
            width,
            pixels * merging.size("temporal_patch_size", default=2),
        ),
        norm(top + "vision_model.pre_layrnorm", width, bias=True),
        *encoder_blocks(
            top + "vision_model.encoder.layers",
            vision.layers(),
            width,
            vision.size("num_attention_heads"),
            vision.size("intermediate_size"),
            BLOCK,
        ),
        column(top + "multi_modal_projector.linear_1", width, inner, bias=bias),
        row(top + "multi_modal_projector.linear_2", inner, hidden, bias=bias),
        column(top + "patch_merge_mlp.linear_1", hidden * merge**2, inner, bias=merge_bias),
        row(top + "patch_merge_mlp.linear_2", inner, hidden, bias=merge_bias),
    )
