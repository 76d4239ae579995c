"""The building blocks that families share: attention, MLPs, experts, norms, embeddings.

Each function returns the modules of one block as vLLM builds them. A family reader is then a list of blocks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.spec.model import FullAttention, LayerGroup, Model, SlidingWindow
from llmtune.spec.record import dataclass
from llmtune.spec.weights import BF16, FP32, Embedding, Experts, Linear, Shard, Slice, Vector

if TYPE_CHECKING:
    from collections.abc import Sequence

    from llmtune.architectures.config import Config
    from llmtune.spec.weights import Module

BOTH = ("embedding", "head")  # Model.unstaged of classes that do not look at their pipeline stage


@dataclass(frozen=True, slots=True)
class Heads:
    """The shape of an attention block. ``value_dim`` is the width of a value head."""

    hidden: int
    heads: int
    kv_heads: int
    head_dim: int
    value_dim: int = 0

    @property
    def values(self) -> int:
        """Width of one value head."""
        return self.value_dim or self.head_dim


def read_heads(config: Config) -> Heads:
    """Attention shape from the usual keys; ``head_dim`` defaults to hidden / heads."""
    hidden = config.size("hidden_size", "n_embd", "d_model")
    heads = config.size("num_attention_heads", "n_head", "n_heads")
    kv_heads = config.size("num_key_value_heads", "num_kv_heads", default=heads)
    head_dim = config.size("head_dim", default=hidden // max(heads, 1))
    return Heads(hidden, heads, kv_heads, head_dim)


def column(name: str, inputs: int, *sizes: int, bias: bool = False) -> Linear:
    """A linear layer whose outputs (one or more fused parts) are split over ranks."""
    return Linear(name, inputs, tuple(Slice(size) for size in sizes), Shard.COLUMN, bias)


def row(name: str, inputs: int, outputs: int, *, bias: bool = False) -> Linear:
    """A linear layer whose inputs are split over ranks."""
    return Linear(name, inputs, (Slice(outputs),), Shard.ROW, bias)


def whole(name: str, inputs: int, *sizes: int, bias: bool = False, fixed: bool = False) -> Linear:
    """A linear layer that every rank holds whole."""
    return Linear(name, inputs, tuple(Slice(size) for size in sizes), Shard.NONE, bias, fixed=fixed)


def norm(name: str, size: int, *, bias: bool = False, width: int = 2) -> Vector:
    """A norm's weight (and bias), replicated; ``width`` bytes a number."""
    return Vector(name, size * (2 if bias else 1), bytes=width)


def qkv(name: str, heads: Heads, *, bias: bool = False, gate: bool = False) -> Linear:
    """The fused query, key and value projection; ``gate`` doubles the queries (gated attention)."""
    parts = (
        Slice(heads.heads, heads.head_dim * (2 if gate else 1)),
        Slice(heads.kv_heads, heads.head_dim, replicate=True),
        Slice(heads.kv_heads, heads.values, replicate=True),
    )
    return Linear(name, heads.hidden, parts, Shard.COLUMN, bias)


def attention(
    heads: Heads, *, name: str = "self_attn", bias: bool = False, out_bias: bool = False, gate: bool = False
) -> tuple[Module, ...]:
    """Fused QKV and output projection."""
    out = row(f"{name}.o_proj", heads.heads * heads.values, heads.hidden, bias=out_bias)
    return qkv(f"{name}.qkv_proj", heads, bias=bias, gate=gate), out


def head_norms(heads: Heads, name: str = "self_attn") -> tuple[Module, ...]:
    """Query and key norms over one head, replicated."""
    return norm(f"{name}.q_norm", heads.head_dim), norm(f"{name}.k_norm", heads.head_dim)


def mlp(hidden: int, intermediate: int, *, name: str = "mlp", bias: bool = False) -> tuple[Module, ...]:
    """Gated MLP: gate and up fused, down."""
    return (
        column(f"{name}.gate_up_proj", hidden, intermediate, intermediate, bias=bias),
        row(f"{name}.down_proj", intermediate, hidden, bias=bias),
    )


def plain_mlp(
    hidden: int, intermediate: int, *, up: str = "mlp.fc1", down: str = "mlp.fc2", bias: bool = True
) -> tuple[Module, ...]:
    """MLP without a gate."""
    return column(up, hidden, intermediate, bias=bias), row(down, intermediate, hidden, bias=bias)


def router(hidden: int, experts: int, *, name: str = "mlp.gate", bias: bool = False, fp32: bool = False) -> Linear:
    """The router: whole on every rank and never quantised."""
    return Linear(name, hidden, (Slice(experts),), Shard.NONE, bias, format=FP32 if fp32 else BF16, fixed=True)


def experts(config: Config, hidden: int, intermediate: int, count: int, *, name: str = "mlp.experts") -> Experts:
    """Gated routed experts with the usual top-k key."""
    top_k = config.size("num_experts_per_tok", "moe_topk", "moe_top_k", "moe_k", default=1)
    return Experts(name, count, hidden, intermediate, top_k)


def layer_norms(hidden: int, *names: str, bias: bool = False) -> tuple[Module, ...]:
    """The norms of a decoder layer."""
    return tuple(norm(name, hidden, bias=bias) for name in names or ("input_layernorm", "post_attention_layernorm"))


def full(heads: Heads) -> FullAttention:
    """The cache of a full-attention layer."""
    return FullAttention(heads.kv_heads, heads.head_dim, heads.value_dim)


def windowed(heads: Heads, window: int) -> FullAttention | SlidingWindow:
    """The cache of a sliding-window layer, or of a full one where there is no window."""
    if not window:
        return full(heads)
    return SlidingWindow(heads.kv_heads, heads.head_dim, window, heads.value_dim)


def pattern_of(layers: Sequence[LayerGroup]) -> tuple[tuple[LayerGroup, ...], tuple[int, ...]]:
    """Distinct layers in order of appearance, and which of them stands at every depth."""
    groups = tuple(dict.fromkeys(layers))
    index = {group: number for number, group in enumerate(groups)}
    return groups, tuple(index[layer] for layer in layers)


def decoder(
    config: Config, heads: Heads, layers: Sequence[LayerGroup], *, tied_default: bool = False, **fields: object
) -> Model:
    """A causal language model around its decoder layers: embedding, final norm, head and limits.

    ``fields`` override what the usual keys say (``embedding``, ``head``, ``towers``, ``draft`` …).
    """
    groups, pattern = pattern_of(layers)
    vocab = config.size("vocab_size")
    tied = config.flag("tie_word_embeddings", default=tied_default)
    top: tuple[Module, ...] = (norm("model.norm", heads.hidden),)
    if not tied:
        top = (*top, Embedding("lm_head", vocab, heads.hidden))
    values: dict[str, object] = {
        "id": "",
        "family": "",
        "architecture": "",
        "hidden": heads.hidden,
        "heads": heads.heads,
        "kv_heads": heads.kv_heads,
        "head_dim": heads.head_dim,
        "vocab": vocab,
        "intermediate": config.size("intermediate_size", "n_inner", "ffn_hidden_size", default=0),
        "max_context": 0,
        "groups": groups,
        "pattern": pattern,
        "embedding": (Embedding("model.embed_tokens", vocab, heads.hidden),),
        "head": top,
        "tied": tied,
    }
    return Model(**{**values, **fields})  # type: ignore[arg-type]
