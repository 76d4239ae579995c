"""Llama 3.2 Vision: Llama's layers, every fifth of which reads the pictures by gated cross-attention instead.

Source: vLLM 0.8.5 model_executor/models/mllama.py, the same bytes in 0.6.4 to 0.10.2. In 0.6.2 and 0.6.3 the projector
is whole on every rank.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.architectures.config import Config
from llmtune.architectures.parts import attention, column, decoder, full, head_norms, layer_norms, mlp, norm, read_heads
from llmtune.architectures.parts import row as row_split
from llmtune.architectures.vision import fused_qkv, text_part, with_towers
from llmtune.spec.model import CrossAttention, LayerGroup
from llmtune.spec.weights import Embedding, Linear, Shard, Slice, Vector

if TYPE_CHECKING:
    from llmtune.architectures.parts import Heads
    from llmtune.spec.model import Model
    from llmtune.spec.weights import Module

ARCHITECTURES = ("MllamaForConditionalGeneration",)
IMAGE_ROWS = 8  # rows that the token embedding has beside the vocabulary (MllamaTextModel.__init__)
ASPECT_RATIOS = 8  # of up to four tiles: transformers models/mllama/configuration_mllama.py
ALIGNED = 8  # patches of a tile are padded to a multiple of this (MllamaVisionModel.forward)
PIXEL_NUMBERS = 2  # pixels arrive in 32 bits (multimodal/inputs.py::MultiModalKwargs.as_kwargs)
FEATURE_COPIES = 2  # MllamaVisionModel.forward holds the intermediate outputs as a tuple and as a stacked tensor
HELD = 4  # beside them: embedded patches, the local layers' result, what goes into the global ones and into this one


def describe(config: Config) -> Model:
    """Model from a config.json. The embedding has rows for the image token; the head is always one of its own."""
    text, vision = text_part(config), config.part("vision_config")
    heads = read_heads(text)
    crossing = set(text.items("cross_attention_layers"))
    feed = (*mlp(heads.hidden, text.size("intermediate_size")), *layer_norms(heads.hidden))
    own = LayerGroup((*attention(heads), *feed), (full(heads),))
    cross = LayerGroup((*_cross(heads), *feed), (CrossAttention(heads.kv_heads, heads.head_dim),))
    model = decoder(
        Config({**text.data, "tie_word_embeddings": False}, text.path),
        heads,
        [cross if depth in crossing else own for depth in range(text.layers())],
        embedding=(Embedding("model.embed_tokens", text.size("vocab_size") + IMAGE_ROWS, heads.hidden),),
        encoder_tokens=_tiles(vision) * _patches(vision),
        encoder_width=_kept(vision),
        notes=(
            "the v0 engine gives all decoder layers one cache of which cross-attention takes blocks of its own: a "
            f"picture holds as much of it as {_patches(vision)} tokens for each of its tiles, {_tiles(vision)} at "
            "most, beside what its request's text holds",
        ),
    )
    return with_towers(model, _tower(vision, heads.hidden), item=(model.encoder_tokens, model.encoder_tokens))


def _cross(heads: Heads) -> tuple[Module, ...]:
    """Attention over the pictures, gated as the MLP behind it is (MllamaCrossAttentionDecoderLayer)."""
    return (
        *attention(heads, name="cross_attn"),
        *head_norms(heads, "cross_attn"),
        Vector("cross_attn_attn_gate", 1),
        Vector("cross_attn_mlp_gate", 1),
    )


def _tower(vision: Config, hidden: int) -> tuple[Module, ...]:
    """Patches, learned positions for every shape of tiles, local and gated global layers, projector."""
    width, patches, tiles = vision.size("hidden_size"), _patches(vision), _tiles(vision)
    shapes = 1 + (len(vision.items("supported_aspect_ratios")) or ASPECT_RATIOS)
    name = "vision_model"
    return (
        Linear(f"{name}.patch_embedding._linear", _pixels(vision), (Slice(width),), Shard.COLUMN, fixed=True),
        Vector(f"{name}.class_embedding", width),
        Vector(f"{name}.gated_positional_embedding.embedding", patches, width),
        Vector(f"{name}.gated_positional_embedding.tile_embedding", shapes, tiles * patches * width),
        Vector(f"{name}.gated_positional_embedding.gate", 1),
        *(
            module
            for place in ("pre", "post")
            for module in (
                Vector(f"{name}.{place}_tile_positional_embedding.embedding", shapes, tiles * width),
                Vector(f"{name}.{place}_tile_positional_embedding.gate", 1),
                norm(f"{name}.layernorm_{place}", width, bias=True),
            )
        ),
        *_encoder(f"{name}.transformer.layers", vision, vision.layers()),
        *_encoder(f"{name}.global_transformer.layers", vision, vision.layers("num_global_layers"), gates=2),
        column("multi_modal_projector", vision.size("vision_output_dim"), hidden, bias=True),
    )


def _encoder(prefix: str, vision: Config, depth: int, *, gates: int = 0) -> tuple[Module, ...]:
    """Layers of the tower: attention without biases, an MLP with them, and a gate behind each in global ones."""
    width, wide = vision.size("hidden_size"), vision.size("intermediate_size")
    heads = vision.size("attention_heads", "num_attention_heads")
    modules: list[Module] = []
    for index in range(depth):
        here = f"{prefix}.{index}."
        modules += (
            norm(here + "input_layernorm", width, bias=True),
            fused_qkv(here + "self_attn.qkv_proj", width, heads, width // max(heads, 1), bias=False),
            row_split(here + "self_attn.o_proj", width, width),
            norm(here + "post_attention_layernorm", width, bias=True),
            column(here + "mlp.fc1", width, wide, bias=True),
            row_split(here + "mlp.fc2", wide, width, bias=True),
        )
        if gates:
            modules.append(Vector(here + "gates", gates))
    return tuple(modules)


def _tiles(vision: Config) -> int:
    return vision.size("max_num_tiles", default=4)


def _pixels(vision: Config) -> int:
    """Numbers of one patch, over all channels."""
    return vision.size("num_channels", default=3) * vision.size("patch_size", default=14) ** 2


def _patches(vision: Config) -> int:
    """Patches of a tile and its class token."""
    return (vision.size("image_size") // max(vision.size("patch_size", default=14), 1)) ** 2 + 1


def _kept(vision: Config) -> int:
    """Numbers kept for every patch while the global layers run: pixels, outputs of earlier layers, its row of the mask.

    Worked example: 588 pixels in 32 bits count as 1,176 numbers of 16; 5 intermediate outputs, twice, and 4 more of
    1280 are 17,920; with 4 x 1608 of the mask it is 25,528.
    """
    outputs = FEATURE_COPIES * len(vision.items("intermediate_layers_indices")) + HELD
    mask = _tiles(vision) * (-(-_patches(vision) // ALIGNED) * ALIGNED)
    return PIXEL_NUMBERS * _pixels(vision) + outputs * vision.size("hidden_size") + mask
