"""Gemma 4: wide heads in full layers; experts beside the MLP, or shared KV caches and per-layer embeddings.

Source: vLLM 0.33.0 model_executor/models/gemma4.py, gemma4_mm.py.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from llmtune.architectures.gemma3 import FOUR_NORMS
from llmtune.architectures.gemma3_mm import bidirectional
from llmtune.architectures.parts import (
    Heads,
    attention,
    column,
    decoder,
    layer_norms,
    mlp,
    norm,
    read_heads,
    router,
    whole,
    windowed,
)
from llmtune.architectures.vision import plain, text_part, with_towers
from llmtune.spec.model import LayerGroup
from llmtune.spec.weights import Embedding, Experts, Vector

if TYPE_CHECKING:
    from llmtune.architectures.config import Config
    from llmtune.spec.model import Model
    from llmtune.spec.weights import Module

ARCHITECTURES = ("Gemma4ForCausalLM", "Gemma4ForConditionalGeneration")
# A video at start-up (gemma4_mm.py::_VIDEO_MAX_FRAMES, _VIDEO_MAX_SOFT_TOKENS): frames, tokens of one, its marks.
FRAMES, FRAME_TOKENS, FRAME_MARKS = 32, 70, 8
EXTRA_NORMS = ("post_feedforward_layernorm_1", "post_feedforward_layernorm_2", "pre_feedforward_layernorm_2")


def describe(config: Config) -> Model:
    """Model from a config.json."""
    text, vision = text_part(config), config.part("vision_config")
    model = _describe_text(text)
    if not vision.data:
        return model
    image, pooling = vision.size("default_output_length", default=280), vision.size("pooling_kernel_size", default=3)
    towers = (*_tower(vision), plain(EMBED_VISION, vision.size("hidden_size"), model.hidden))
    model = with_towers(model, towers, item=largest_item(image, pooling))
    return bidirectional(model) if text.text("use_bidirectional_attention") == "vision" else model


EMBED_VISION = "embed_vision.embedding_projection"


def largest_item(image: int, pooling: int) -> tuple[int, int]:
    """Tokens and patches of an image or a video, whichever has more (Gemma4ProcessingInfo.get_mm_max_tokens_per_item).

    ``pooling`` patches in a row become one of ``image`` tokens; those of a frame are padded to as many as it may have.
    """
    video = FRAMES * (FRAME_TOKENS + FRAME_MARKS), FRAMES * FRAME_TOKENS * pooling**2
    return max((image, image * pooling**2), video)


def _describe_text(config: Config) -> Model:
    base = read_heads(config)
    count = config.layers()
    kinds, window = config.items("layer_types"), config.size("sliding_window", default=0)
    first_shared = count - config.size("num_kv_shared_layers", default=0)
    layers = []
    for depth in range(count):
        slides = kinds[depth] == "sliding_attention"
        heads = base if slides else _global_heads(config, base)
        shares = depth >= first_shared
        wide = shares and config.flag("use_double_wide_mlp")
        modules = (
            *_mixer(heads, shares=shares),
            *mlp(base.hidden, config.size("intermediate_size") * (2 if wide else 1)),
            *layer_norms(base.hidden, *FOUR_NORMS),
            *_moe(config, base.hidden),
            *_per_layer(config, base.hidden),
        )
        caches = () if shares else (windowed(heads, window if slides else 0),)
        layers.append(LayerGroup(modules, caches))
    model = decoder(config, base, layers, tied_default=True)
    return replace(model, embedding=(*model.embedding, *_per_layer_embedding(config, base.hidden, count)))


def _global_heads(config: Config, base: Heads) -> Heads:
    """Head shape of the layers that see everything."""
    kv_heads = config.size("num_global_key_value_heads", default=base.kv_heads)
    if not config.flag("attention_k_eq_v"):
        kv_heads = base.kv_heads
    return Heads(base.hidden, base.heads, kv_heads, config.size("global_head_dim", default=base.head_dim))


def _mixer(heads: Heads, *, shares: bool) -> tuple[Module, ...]:
    """Attention; a layer that reads another layer's cache has no keys and values of its own."""
    if shares:
        queries = column("self_attn.q_proj", heads.hidden, heads.heads * heads.head_dim)
        return queries, attention(heads)[1], norm("self_attn.q_norm", heads.head_dim)
    both = norm("self_attn.q_norm", heads.head_dim), norm("self_attn.k_norm", heads.head_dim)
    return (*attention(heads), *both)


def _moe(config: Config, hidden: int) -> tuple[Module, ...]:
    count = config.size("num_experts", default=0)
    if not count or not config.flag("enable_moe_block"):
        return ()
    top_k = config.size("top_k_experts", "num_experts_per_tok", default=1)
    width = config.size("moe_intermediate_size", "expert_intermediate_size")
    return (
        Vector("router.scale", hidden),
        Vector("router.per_expert_scale", count),
        router(hidden, count, name="router.proj"),
        Experts("experts", count, hidden, width, top_k),
        *layer_norms(hidden, *EXTRA_NORMS),
    )


def _per_layer(config: Config, hidden: int) -> tuple[Module, ...]:
    """The per-layer input's gate and projection (E2B, E4B), whole on every rank."""
    width = config.size("hidden_size_per_layer_input", default=0)
    if not width:
        return ()
    return (
        whole("per_layer_input_gate", hidden, width),
        whole("per_layer_projection", width, hidden),
        norm("post_per_layer_input_norm", hidden),
    )


def _per_layer_embedding(config: Config, hidden: int, layers: int) -> tuple[Module, ...]:
    width = config.size("hidden_size_per_layer_input", default=0)
    if not width:
        return ()
    vocab = config.size("vocab_size_per_layer_input", "vocab_size")
    return (
        Embedding("model.embed_tokens_per_layer", vocab, width * layers),
        column("model.per_layer_model_projection", hidden, width * layers),
        norm("model.per_layer_projection_norm", width),
    )


def _tower(vision: Config) -> tuple[Module, ...]:
    """The Transformers vision tower, whole on every rank (Gemma4VisionModel)."""
    hidden, width = vision.size("hidden_size"), vision.size("intermediate_size")
    heads, dim = vision.size("num_attention_heads"), vision.size("head_dim")
    patch = 3 * vision.size("patch_size") ** 2
    modules: list[Module] = [
        Vector("vision_tower.position_embedding_table", 2 * vision.size("position_embedding_size"), hidden),
        plain("vision_tower.input_proj", patch, hidden),
    ]
    for index in range(vision.layers()):
        here = f"vision_tower.encoder.layers.{index}."
        modules += [plain(f"{here}self_attn.{part}", hidden, heads * dim) for part in ("q_proj", "k_proj", "v_proj")]
        modules += (
            plain(here + "self_attn.o_proj", heads * dim, hidden),
            norm(here + "self_attn.qk_norm", 2 * dim),
            plain(here + "mlp.gate_proj", hidden, width),
            plain(here + "mlp.up_proj", hidden, width),
            plain(here + "mlp.down_proj", width, hidden),
            *layer_norms(hidden, *(here + name for name in FOUR_NORMS)),
        )
    return tuple(modules)
