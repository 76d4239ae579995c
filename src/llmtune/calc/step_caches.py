"""What one engine step reads of KV caches and recurrent states, and what attention computes on them."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from llmtune.calc.attention_backend import Backend, choose_backend
from llmtune.calc.kv_specs import STATE, LayerSpec, describe_site, heads_per_rank, layer_specs
from llmtune.calc.paged_attention import rereads
from llmtune.spec.memory import Failure
from llmtune.spec.model import ChunkedLocal, FullAttention, Indexer, Latent, SlidingWindow
from llmtune.spec.record import dataclass

if TYPE_CHECKING:
    from llmtune.calc.shares import Site
    from llmtune.spec.model import Cache

SPARSE_TOKENS = 2048  # context tokens that a sparse-attention indexer selects (DeepSeek V3.2 config: index_topk)
SPARSE_HEADS = 64  # query heads of a sparse kernel's tile, however few a rank has (0.13.0 to 0.33.0 flashmla_sparse.py)
INDEX_RATE = 2  # index keys are 8-bit numbers: twice the rate of 16 bit
PLAIN, TRITON = "plain", "triton"  # attention kernels: FlashAttention and its like, and what runs where they do not
_Alike = tuple[int, str, str, bool, float, float]
WIDE = 1.5  # bytes a number from which a cache is not an 8-bit one


@dataclass(frozen=True, slots=True)
class CacheWork:
    """KV cache of alike layers: bytes a token of context, FLOPs of a decoding and of a prompt token per token seen.

    ``whole``: kernels compute the whole window, however few tokens there are (sparse attention). ``rereads``: how often
    more than ``crowd`` decoding requests may read the bytes again (``calc/paged_attention.py``).
    """

    bytes: float
    decode_flops: float
    prefill_flops: float
    window: int
    kind: str  # heads, heads-8bit, latent or latent-8bit
    kernel: str = PLAIN  # or triton
    whole: bool = False
    rereads: float = 0.0
    crowd: float = 0.0


def _caches(site: Site) -> tuple[Cache, ...]:
    return tuple(dict.fromkeys(cache for group in site.model.groups for cache in group.caches))


def _specs(site: Site) -> dict[Cache, LayerSpec]:
    caches = _caches(site)
    specs = layer_specs(
        caches, site.model, resolved=site.resolved, gpu=site.hardware.gpu, behaviour=site.engine.behaviour
    )
    return {} if isinstance(specs, Failure) else specs


def cache_work(site: Site) -> tuple[CacheWork, ...]:
    """What decoding and prefill read of each kind of cache, all layers together."""
    work: dict[_Alike, list[float]] = defaultdict(lambda: [0.0, 0.0, 0.0])
    specs, kernels = _specs(site), _kernels(site)
    heads = max(1.0, site.model.heads / site.resolved.tensor_parallel)
    for number, group in enumerate(site.model.groups):
        count = site.model.pattern.count(number)
        for cache in group.caches:
            spec = specs.get(cache)
            if spec is None or spec.kind == STATE:
                continue
            size = spec.page_bytes / spec.block_size
            sparse = isinstance(cache, Latent) and cache.sparse
            window = SPARSE_TOKENS if sparse else spec.window
            sums = work[(window, _kind(cache, size, site), kernels.get(cache, PLAIN), sparse, *rereads(cache, site))]
            decode, prefill = _attention_flops(cache, heads, site.resolved.tensor_parallel)
            sums[0] += count * size
            sums[1] += count * decode
            sums[2] += count * prefill
    return tuple(CacheWork(size, decode, prefill, *alike) for alike, (size, decode, prefill) in work.items())


def _kernels(site: Site) -> dict[Cache, str]:
    """Which caches no FlashAttention or FlashInfer kernel takes: attention sinks on Ampere, or odd head widths."""
    if site.resolved.runner == "v0":
        return {}
    caches, gpu = _caches(site), site.hardware.gpu
    where = describe_site(caches, site.model, resolved=site.resolved, gpu=gpu, behaviour=site.engine.behaviour)
    chosen = {cache: choose_backend(cache, where) for cache in caches}
    return {
        cache: TRITON for cache, one in chosen.items() if isinstance(one, Backend) and one.name.startswith("TRITON")
    }


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


def _attention_flops(cache: Cache, heads: float, ranks: int) -> tuple[float, float]:
    """FLOPs of one decoding, and of one prompt token, per token it attends to: two per number of key and value."""
    match cache:
        case FullAttention() | SlidingWindow():
            both = 2 * heads * (cache.head_dim + (cache.value_dim or cache.head_dim))
            return both, both
        case ChunkedLocal():
            both = 4 * heads * cache.head_dim
            return both, both
        case Latent(sparse=True):  # on the latents, in tiles of heads
            both = 2 * max(heads, SPARSE_HEADS) * (2 * cache.lora_rank + cache.rope_dim)
            return both, both
        case Latent():  # decoding works on the latents themselves, prefill on heads made from them
            latents = 2 * heads * (2 * cache.lora_rank + cache.rope_dim)
            return latents, 2 * heads * (cache.nope_dim + cache.rope_dim + cache.value_dim)
        case Indexer():
            looking = cache.heads if cache.quantized else max(1, cache.heads / ranks)
            both = 2 * looking * cache.head_dim / cache.ratio / (INDEX_RATE if cache.quantized else 1)
            return both, both
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
