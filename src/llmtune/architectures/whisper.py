"""Whisper: an audio encoder, and a decoder that keeps its own keys and those of the encoder's output.

Source: vLLM 0.33.0 model_executor/models/whisper.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.architectures.config import Config
from llmtune.architectures.parts import Heads, column, decoder, full, norm, plain_mlp, qkv, row
from llmtune.spec.model import CrossAttention, LayerGroup
from llmtune.spec.weights import Embedding, Vector

if TYPE_CHECKING:
    from llmtune.spec.model import Model
    from llmtune.spec.weights import Module

ARCHITECTURES = ("WhisperForConditionalGeneration",)
CONV_KERNEL = 3


def describe(config: Config) -> Model:
    """Model from a config.json. The token embedding, which is also the head, is whole on every rank."""
    hidden, count = config.size("d_model", "hidden_size"), config.size("decoder_attention_heads")
    heads = Heads(hidden, count, count, hidden // max(count, 1))
    modules = (
        *_block(heads, "self_attn"),
        *_cross(heads),
        *plain_mlp(hidden, config.size("decoder_ffn_dim"), up="mlp.fc1", down="mlp.fc2"),
        norm("final_layer_norm", hidden, bias=True),
    )
    layer = LayerGroup(modules, (full(heads), CrossAttention(count, heads.head_dim)))
    vocab, positions = config.size("vocab_size"), config.size("max_target_positions")
    frames = config.size("max_source_positions", default=1500)
    return decoder(
        Config({**config.data, "tie_word_embeddings": True}),
        heads,
        [layer] * config.layers("decoder_layers"),
        intermediate=config.size("decoder_ffn_dim"),
        layer_prefix="model.decoder.layers",
        multimodal=True,
        encoder_tokens=frames,
        item_tokens=frames,
        item_patches=frames,
        embedding=(
            Embedding("model.decoder.embed_tokens", vocab, hidden, sharded=False, padded=False),
            Vector("model.decoder.embed_positions", positions, hidden),
        ),
        head=(norm("model.decoder.layer_norm", hidden, bias=True),),
        towers=_encoder(config, hidden),
    )


def _block(heads: Heads, name: str) -> tuple[Module, ...]:
    hidden = heads.hidden
    return (
        qkv(f"{name}.qkv_proj", heads, bias=True),
        row(f"{name}.out_proj", hidden, hidden, bias=True),
        norm(f"{name}_layer_norm", hidden, bias=True),
    )


def _cross(heads: Heads) -> tuple[Module, ...]:
    """Attention over the encoder's output: queries apart from keys and values."""
    hidden = heads.hidden
    return (
        column("encoder_attn.q_proj", hidden, hidden, bias=True),
        column("encoder_attn.kv_proj", hidden, hidden, hidden, bias=True),
        row("encoder_attn.out_proj", hidden, hidden, bias=True),
        norm("encoder_attn_layer_norm", hidden, bias=True),
    )


def _encoder(config: Config, hidden: int) -> tuple[Module, ...]:
    """Two convolutions over the spectrogram, learned positions, bidirectional layers that cache nothing."""
    count = config.size("encoder_attention_heads")
    heads = Heads(hidden, count, count, hidden // max(count, 1))
    layer = (
        *_block(heads, "self_attn"),
        *plain_mlp(hidden, config.size("encoder_ffn_dim"), up="mlp.fc1", down="mlp.fc2"),
        norm("final_layer_norm", hidden, bias=True),
    )
    return (
        Vector("model.encoder.conv1", hidden, CONV_KERNEL * config.size("num_mel_bins", default=80) + 1),
        Vector("model.encoder.conv2", hidden, CONV_KERNEL * hidden + 1),
        Vector("model.encoder.embed_positions", config.size("max_source_positions", default=1500), hidden),
        norm("model.encoder.layer_norm", hidden, bias=True),
        *(layer * config.layers("encoder_layers")),
    )
