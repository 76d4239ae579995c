"""What one engine step reads of KV caches and recurrent states, and what attention computes on them."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from llmtune.calc.kv_specs import STATE, LayerSpec, heads_per_rank, layer_specs
from llmtune.spec.memory import Failure
from llmtune.spec.model import ChunkedLocal, FullAttention, Indexer, Latent, SlidingWindow
from llmtune.spec.record import dataclass

if TYPE_CHECKING:
    from llmtune.calc.shares import Site
    from llmtune.spec.model import Cache

SPARSE_TOKENS = 2048  # context tokens that a sparse-attention indexer selects (DeepSeek V3.2 config: index_topk)
WIDE = 1.5  # bytes a number from which a cache is not an 8-bit one


@dataclass(frozen=True, slots=True)
class CacheWork:
    """KV cache of alike layers: bytes a token of context, FLOPs of a decoding and of a prompt token per token seen."""

    bytes: float
    decode_flops: float
    prefill_flops: float
    window: int
    kind: str  # heads, heads-8bit, latent or latent-8bit


def _specs(site: Site) -> dict[Cache, LayerSpec]:
    caches = tuple(dict.fromkeys(cache for group in site.model.groups for cache in group.caches))
    specs = layer_specs(
        caches, site.model, resolved=site.resolved, gpu=site.hardware.gpu, behaviour=site.engine.behaviour
    )
    return {} if isinstance(specs, Failure) else specs


def cache_work(site: Site) -> tuple[CacheWork, ...]:
    """What decoding and prefill read of each kind of cache, all layers together."""
    work: dict[tuple[int, str], list[float]] = defaultdict(lambda: [0.0, 0.0, 0.0])
    specs = _specs(site)
    heads = max(1.0, site.model.heads / site.resolved.tensor_parallel)
    for number, group in enumerate(site.model.groups):
        count = site.model.pattern.count(number)
        sparse = any(isinstance(cache, Indexer) for cache in group.caches)
        for cache in group.caches:
            spec = specs.get(cache)
            if spec is None or spec.kind == STATE:
                continue
            size = spec.page_bytes / spec.block_size
            sums = work[_window(cache, spec, sparse=sparse), _kind(cache, size, site)]
            decode, prefill = _attention_flops(cache, heads)
            sums[0] += count * size
            sums[1] += count * decode
            sums[2] += count * prefill
    return tuple(
        CacheWork(size, decode, prefill, window, kind) for (window, kind), (size, decode, prefill) in work.items()
    )


def _kind(cache: Cache, size: float, site: Site) -> str:
    """Heads or latents, in 16 bit or in 8."""
    match cache:
        case Latent():
            return "latent" if size > WIDE * (cache.lora_rank + cache.rope_dim) else "latent-8bit"
        case FullAttention() | SlidingWindow() | ChunkedLocal():
            width = cache.head_dim + (getattr(cache, "value_dim", 0) or cache.head_dim)
            wide = size > WIDE * width * heads_per_rank(cache.kv_heads, site.resolved.tensor_parallel)
            return "heads" if wide else "heads-8bit"
        case _:
            return "latent"


def _window(cache: Cache, spec: LayerSpec, *, sparse: bool) -> int:
    if isinstance(cache, Latent) and sparse:
        return SPARSE_TOKENS
    return spec.window


def _attention_flops(cache: Cache, heads: float) -> tuple[float, float]:
    """FLOPs of one decoding, and of one prompt token, per token it attends to: two per number of key and value."""
    match cache:
        case FullAttention() | SlidingWindow():
            both = 2 * heads * (cache.head_dim + (cache.value_dim or cache.head_dim))
            return both, both
        case ChunkedLocal():
            both = 4 * heads * cache.head_dim
            return both, both
        case Latent():  # decoding works on the latents themselves, prefill on heads made from them
            latents = 2 * heads * (2 * cache.lora_rank + cache.rope_dim)
            return latents, 2 * heads * (cache.nope_dim + cache.rope_dim + cache.value_dim)
        case _:
            return 0.0, 0.0


def state_bytes(site: Site) -> float:
    """Recurrent states of one request, read and written by a step."""
    specs = _specs(site)
    total = 0.0
    for number, group in enumerate(site.model.groups):
        for cache in group.caches:
            spec = specs.get(cache)
            if spec is not None and spec.kind == STATE:
                total += 2 * site.model.pattern.count(number) * spec.page_bytes
    return total
