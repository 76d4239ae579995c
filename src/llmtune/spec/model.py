"""A model as vLLM sees it: layer groups with their modules and caches, embeddings, towers and limits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.spec.record import dataclass

if TYPE_CHECKING:
    from llmtune.spec.weights import Module


@dataclass(frozen=True, slots=True)
class FullAttention:
    """Keys and values of every token: ``kv_heads`` of ``head_dim`` (all ranks together, before any replication).

    ``value_dim`` defaults to ``head_dim``. ``sinks``: the layer adds a learnt sink to its softmax (gpt-oss).
    ``bidirectional``: image tokens see each other both ways (Gemma 3 and 4 with their vision tower); both decide the
    attention backend. ``sparse``: the layer reads only the blocks that an ``Indexer`` chose (MiniMax-M3).
    """

    kv_heads: int
    head_dim: int
    value_dim: int = 0
    sinks: bool = False
    bidirectional: bool = False
    sparse: bool = False


@dataclass(frozen=True, slots=True)
class SlidingWindow:
    """Keys and values of the last ``window`` tokens. The other fields mean what they mean in ``FullAttention``."""

    kv_heads: int
    head_dim: int
    window: int
    value_dim: int = 0
    sinks: bool = False
    bidirectional: bool = False


@dataclass(frozen=True, slots=True)
class ChunkedLocal:
    """Keys and values of the current chunk of ``chunk`` tokens (Llama 4)."""

    kv_heads: int
    head_dim: int
    chunk: int


@dataclass(frozen=True, slots=True)
class CrossAttention:
    """Keys and values of the encoder's output, which the decoder reads (Whisper, Llama 3.2 Vision)."""

    kv_heads: int
    head_dim: int


@dataclass(frozen=True, slots=True)
class Latent:
    """Multi-head latent attention (MLA): one compressed vector of ``lora_rank + rope_dim`` numbers a token.

    ``sparse`` is set where an indexer selects the tokens (DeepSeek V3.2, GLM-5): it changes the cache's format.
    ``heads``, ``nope_dim`` and ``value_dim`` size the projections that are absorbed after loading.
    """

    lora_rank: int
    rope_dim: int
    heads: int
    nope_dim: int
    value_dim: int
    sparse: bool = False


@dataclass(frozen=True, slots=True)
class Indexer:
    """The key cache of a sparse-attention indexer: one key of ``head_dim`` numbers every ``ratio`` tokens.

    Stored as 8-bit numbers with a 4-byte scale for every 128 of them; with ``quantized`` off as 16-bit numbers
    (MiniMax-M3). ``ratio`` is above one for DeepSeek-V4's compressed layers. ``v41``: one of DeepSeek-V4.1's. ``heads``
    query heads look at each key; ranks share those of MiniMax-M3 only.
    """

    head_dim: int
    ratio: int = 1
    quantized: bool = True
    v41: bool = False
    heads: int = 1


@dataclass(frozen=True, slots=True)
class CompressedLatent:
    """DeepSeek-V4's main cache: one latent vector of ``head_dim`` numbers for every ``ratio`` tokens."""

    head_dim: int
    ratio: int


@dataclass(frozen=True, slots=True)
class WindowLatent:
    """DeepSeek-V4's uncompressed cache: one latent vector of ``head_dim`` for each of the last ``window`` tokens.

    ``v41``: this cache and those beside it have DeepSeek-V4.1's formats (``calc/kv_latents.py``).
    """

    head_dim: int
    window: int
    v41: bool = False


@dataclass(frozen=True, slots=True)
class CompressorState:
    """What a DeepSeek-V4 compressor keeps of the tokens it has not folded yet: 32-bit vectors.

    ``head_dim`` of the cache it feeds and its ``ratio`` (4 or 128; 2 in DeepSeek-V4.1, where it is a ring of one
    block).
    """

    head_dim: int
    ratio: int


@dataclass(frozen=True, slots=True)
class State:
    """One tensor of a recurrent state: (``units`` x ``width`` + ``groups`` x ``group_width``) x ``columns`` numbers.

    Tensor parallel ranks share the units and the groups; with groups that do not divide, each rank gets one (Mamba 2
    convolutions: ``width`` 1, ``units`` the inner size, ``groups`` of 2 x state size). ``columns`` is the kernel
    width less one for a convolution. With ``speculative`` every draft token adds a column. ``recurrent`` states take
    ``--mamba-ssm-cache-dtype`` (``Model.state_dtype`` when that is auto), the others ``--mamba-cache-dtype``;
    ``fp32`` recurrent states are 32-bit when neither says otherwise (Kimi delta attention).
    """

    units: int
    width: int = 1
    columns: int = 1
    groups: int = 0
    group_width: int = 0
    recurrent: bool = False
    fp32: bool = False
    speculative: bool = False


@dataclass(frozen=True, slots=True)
class StateSpace:
    """A recurrent layer: a state of constant size per request.

    ``kind`` is ``mamba1``, ``mamba2``, ``gdn`` (gated delta net), ``kda`` (Kimi delta attention of Kimi-Linear),
    ``flash_kda`` (the same with a bounded gate and 128-wide heads, prefilled by FlashKDA: Kimi-K3), ``short_conv``
    (LFM2) or ``linear`` (lightning attention). Worked states, for conv kernel K:

    * mamba1: ``State(units=inner, columns=K - 1)``, ``State(units=inner, width=state, recurrent=True)``
    * mamba2: ``State(units=inner, columns=K - 1, groups=g, group_width=2 * state, speculative=True)``,
      ``State(units=heads, width=head_dim * state, recurrent=True)``
    * gdn: ``State(units=2 * k_heads * k_dim + v_heads * v_dim, columns=K - 1, speculative=True)``,
      ``State(units=v_heads, width=v_dim * k_dim, recurrent=True)``
    * kda, flash_kda: ``State(units=3 * heads * dim, columns=K - 1, speculative=True)``,
      ``State(units=heads, width=dim * dim, recurrent=True, fp32=True)``
    * short_conv: ``State(units=hidden, columns=K - 1, speculative=True)``
    * linear: ``State(units=heads, width=dim * dim)``
    """

    kind: str
    states: tuple[State, ...]


Cache = (
    FullAttention
    | SlidingWindow
    | ChunkedLocal
    | CrossAttention
    | Latent
    | Indexer
    | CompressedLatent
    | WindowLatent
    | CompressorState
    | StateSpace
)


@dataclass(frozen=True, slots=True)
class LayerGroup:
    """Decoder layers that are identical: the modules and the caches of one of them.

    ``caches`` in the order the engine builds them; none for layers that read another layer's cache (the last layers
    of Gemma 3n and 4) and for layers without attention (Nemotron-H's feed-forward layers). Several in one layer:
    Falcon-H1 (FullAttention, StateSpace), Whisper's decoder (FullAttention, CrossAttention), DeepSeek V3.2 and GLM-5
    (Indexer where the layer has its own, Latent), MiniMax-M3 (FullAttention with ``sparse``, Indexer), DeepSeek-V4
    (WindowLatent; with ratio 128 then CompressedLatent, CompressorState; with ratio 4 then Indexer, CompressorState of
    the indexer, CompressedLatent, CompressorState), DeepSeek-V4.1 (WindowLatent; where others read its latents also
    CompressedLatent, Indexer and, with ratio 2, CompressorState). ``source`` is the layer whose cache these layers read
    and which must stand on the same pipeline stage.
    """

    modules: tuple[Module, ...]
    caches: tuple[Cache, ...] = ()
    source: int | None = None


@dataclass(frozen=True, slots=True)
class Model:
    """Everything about a model that memory, limits and speed depend on.

    ``groups`` are the distinct layers and ``pattern`` names the group of every decoder layer in order. ``embedding``
    stands on the first pipeline stage, ``head`` on the last, ``towers`` (vision, audio) on the first. ``draft`` are
    the checkpoint's multi-token-prediction layers, which only the speculative method mtp loads, and ``drafter`` are the
    layers of a separate draft model (a group without caches holds its embedding and head); both stand on the last
    stage and list all that the engine's class builds, also what it then shares with the model (``calc/drafts.py``).
    ``encoder_tokens`` come out of the encoder that cross-attention reads, for its largest item; it keeps
    ``encoder_width`` numbers for each beside its widest block. ``item_tokens`` is what the encoder budget counts for
    the largest item that start-up encodes (an image, or the video where its size does not hang on the context) and
    ``item_patches`` what the tower works on for it. ``video_step`` has the tokens and patches of one step of a video
    that grows with the context, and the most steps.
    """

    id: str
    family: str
    architecture: str
    hidden: int
    heads: int
    kv_heads: int
    head_dim: int
    vocab: int
    intermediate: int
    max_context: int
    groups: tuple[LayerGroup, ...]
    pattern: tuple[int, ...]
    embedding: tuple[Module, ...]
    head: tuple[Module, ...]
    towers: tuple[Module, ...] = ()
    draft: tuple[LayerGroup, ...] = ()
    draft_prefix: str = "model.layers.{}."  # where quantisation configs find them, by number of the layer
    drafter: tuple[LayerGroup, ...] = ()
    tied: bool = False
    dtype: str = "bfloat16"
    quantization: str | None = None
    kv_cache_dtype: str | None = None  # what "auto" becomes when the checkpoint says so
    state_dtype: str | None = None
    parameters: int | None = None  # published count
    layer_prefix: str = "model.layers"  # where quantisation configs find the decoder layers
    rotary_rows: int = 0  # positions of its rotary tables together; 0 where the config does not say
    default_context: int = 0  # what the engine takes unasked; below max_context for LongRoPE and RoBERTa
    yarn_context: int | None = None  # context of releases that multiply by the YaRN factor (until 0.29)
    refusal: str | None = None  # what releases since 0.33 say of a quantisation config that they do not load
    multimodal: bool = False
    encoder_tokens: int = 0
    encoder_width: int = 0
    item_tokens: int = 0
    item_patches: int = 0
    video_step: tuple[int, int, int] | None = None
    patch_values: int = 0  # numbers of one patch as it enters the tower
    unstaged: tuple[str, ...] = ()  # "embedding", "head": parts that the engine builds on every pipeline stage
    notes: tuple[str, ...] = ()
    source: str = ""
    model_type: str = ""  # of config.json: which class reads the config

    @property
    def layers(self) -> int:
        """Number of decoder layers."""
        return len(self.pattern)
