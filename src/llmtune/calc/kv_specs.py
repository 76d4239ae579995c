"""What one layer's cache looks like on one rank: bytes per block, tokens per block, blocks a request may hold.

A model's caches (``spec/model.py``) and the resolved settings become one ``LayerSpec`` per distinct cache. This is
where KV dtype, replication over tensor parallel ranks and the attention backend's block size come in. How recurrent
states and attention blocks are aligned is in ``calc/kv_states.py``, grouping in ``calc/kv_groups.py``.
Source: vLLM 0.33.0, ``v1/kv_cache_interface.py``, ``platforms/interface.py::update_block_size_for_backend``,
``get_kv_cache_spec`` of each layer class.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, assert_never

from llmtune.calc.attention_backend import Backend, choose_backend, common_block_size
from llmtune.calc.attention_rules import ADA, BLACKWELL, FA2_WIDEST, HOPPER, PER_TOKEN_HEAD, PLAIN, Site, head_dim
from llmtune.calc.kv_latents import Records, compressor_rows, latent_records
from llmtune.calc.kv_states import AttentionSide, StateLayout, align_states
from llmtune.spec.memory import Failure
from llmtune.spec.model import (
    ChunkedLocal,
    CompressedLatent,
    CompressorState,
    CrossAttention,
    FullAttention,
    Indexer,
    Latent,
    SlidingWindow,
    StateSpace,
    WindowLatent,
)
from llmtune.spec.record import dataclass

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from llmtune.spec.deployment import Resolved
    from llmtune.spec.hardware import Gpu
    from llmtune.spec.model import Cache, Model

FULL = "full_attention"
LATENT = "mla_attention"
WINDOW = "sliding_window"
WINDOW_LATENT = "sliding_window_mla"
CHUNKED = "chunked_local_attention"
CROSS = "cross_attention"
STATE = "mamba"
RING = "circular_buffer"

ELEMENT = {"float32": 4, "bfloat16": 2, "float16": 2}  # bytes
SCALE = 4  # bytes of one fp32 scale
SCALED = 128  # numbers of an indexer key that share one scale
PACKED_MLA = {"fp8_ds_mla": 656, "nvfp4_ds_mla": 352}  # bytes a token; mla_attention.py::get_kv_cache_spec


@dataclass(frozen=True, slots=True)
class LayerSpec:
    """One layer's cache on one rank.

    ``page_bytes`` of one block of ``block_size`` tokens. ``window`` in tokens for windows and chunks. ``blocks`` is the
    constant number of blocks a request holds of a recurrent state; with ``every_block`` it also keeps a state for
    every block of tokens. ``shape`` tells apart layers whose pages have equal size but different content: they cannot
    share a block table. The distance between blocks is a multiple of ``stride``; ``cached``: prefixes are kept.
    """

    kind: str
    block_size: int
    page_bytes: int
    shape: tuple[int | str, ...] = ()
    window: int = 0
    blocks: int = 0
    every_block: bool = False
    stride: int = 1
    cached: bool = True


@dataclass(frozen=True, slots=True)
class Layout:
    """What every layer's spec depends on, once the model's block size is known."""

    block_size: int
    kv_dtype: str
    element: int  # bytes of one of the model's own numbers
    tensor_parallel: int
    packed: bool = False  # DeepSeek's own 8-bit formats
    states: StateLayout | None = None
    records: Records | None = None  # DeepSeek-V4's and V4.1's
    drafts: int = 0


def layer_specs(
    caches: Sequence[Cache], model: Model, *, resolved: Resolved, gpu: Gpu, behaviour: Mapping[str, object]
) -> dict[Cache, LayerSpec] | Failure:
    """The spec of every distinct cache, or the engine's reason to refuse. ``caches`` in layer order, each once."""
    site = describe_site(caches, model, resolved=resolved, gpu=gpu, behaviour=behaviour)
    backends: dict[Cache, Backend] = {}
    for cache in caches:
        chosen = _unsplittable(cache, resolved.tensor_parallel) or choose_backend(cache, site)
        if isinstance(chosen, Failure):
            return chosen
        if chosen is not None:
            backends[cache] = chosen
    records = latent_records(caches, site, runner=resolved.runner)
    if isinstance(records, Failure):
        return records
    layout = _plan_layout(caches, backends, model=model, resolved=resolved, site=site)
    layout = replace(layout, records=records, drafts=resolved.speculative_tokens)
    return {cache: _spec(cache, backends.get(cache), layout) for cache in caches}


def describe_site(
    caches: Sequence[Cache], model: Model, *, resolved: Resolved, gpu: Gpu, behaviour: Mapping[str, object]
) -> Site:
    """Where the model's attention runs. ``auto`` becomes what the architecture asks for.

    A GPU without a compute capability (AMD) is planned like one without the newest kernels: blocks of 16 tokens, 8-bit
    caches in the plain format. That is an assumption; vLLM's ROCm backends were not checked.
    """
    kv_dtype = resolved.kv_cache_dtype
    capability = gpu.compute_capability or ADA
    major = capability[0]
    eight_bit = behaviour.get("kv.fp8_by_default_on_sm100")
    if kv_dtype == "auto" and major == BLACKWELL and isinstance(eight_bit, list) and model.architecture in eight_bit:
        kv_dtype = "fp8_e4m3"
    wanted = resolved.attention_backend
    # Gemma 4 mixes head widths: where FlashAttention 4 does not run, all layers take Triton
    # (model_executor/models/config.py::Gemma4Config).
    widths = {head_dim(cache) for cache in caches if isinstance(cache, FullAttention | SlidingWindow)}
    if wanted is None and len(widths) > 1 and max(widths) > FA2_WIDEST and major not in {HOPPER, BLACKWELL}:
        wanted = "TRITON_ATTN"
    return Site(
        capability=capability,
        gpu=gpu.product,
        kv_dtype=kv_dtype,
        dtype=resolved.dtype,
        behaviour=behaviour,
        wanted=wanted,
        block_size=resolved.block_size,
        tensor_parallel=resolved.tensor_parallel,
        context_parallel=resolved.decode_context_parallel,
    )


def heads_per_rank(heads: int, tensor_parallel: int) -> int:
    """KV heads on each rank: split, and replicated when there are fewer heads than ranks."""
    return max(1, heads // tensor_parallel)


def token_bytes(kv_dtype: str, key: int, value: int, *, element: int) -> int:
    """Bytes of one head's key and value for one token.

    Worked example: 128 + 128 numbers take 512 bytes in 16 bits, 256 in fp8, 264 with a scale for each key and value
    (fp8_per_token_head), 144 in nvfp4 (half a byte each and a byte of scale for every 16).
    Source: ``AttentionSpec.state_content_size_bytes`` and the backends' ``customize_spec``.
    """
    both = key + value
    if kv_dtype in PLAIN:
        return both * element
    if kv_dtype.startswith("nvfp4"):
        return key // 2 + key // 16 + value // 2 + value // 16
    if kv_dtype in PER_TOKEN_HEAD:
        return (both // 2 if kv_dtype.startswith("int4") else both) + 2 * SCALE
    return both


def _unsplittable(cache: Cache, tensor_parallel: int) -> Failure | None:
    """The engine asserts that heads and ranks divide one another (``LlamaAttention.__init__`` and its like)."""
    heads: int = getattr(cache, "kv_heads", 1)
    if heads % tensor_parallel == 0 or tensor_parallel % heads == 0:
        return None
    return Failure("invalid", f"AssertionError: {heads} KV heads cannot be split over {tensor_parallel} ranks")


def _plan_layout(
    caches: Sequence[Cache], backends: Mapping[Cache, Backend], *, model: Model, resolved: Resolved, site: Site
) -> Layout:
    """Block size of the model and, for hybrids, the page that recurrent states share with attention."""
    names = {backend.name for backend in backends.values()}
    eight_bit = site.kv_dtype not in PLAIN
    packed = not names.isdisjoint({"FLASHMLA_SPARSE_DSV4", "FLASHINFER_MLA_SPARSE_SM120"}) or (
        eight_bit and ("FLASHMLA_SPARSE" in names or bool(site.behaviour.get("kv.packed_sparse_latent")))
    )
    block_size = resolved.block_size
    if block_size is None:
        widest = max((head_dim(cache) for cache in caches), default=0)
        block_size = common_block_size(backends.values(), widest, site)
    layout = Layout(block_size, site.kv_dtype, ELEMENT[resolved.dtype], resolved.tensor_parallel, packed)
    states = [cache for cache in caches if isinstance(cache, StateSpace)]
    if not states:
        return layout
    one_token = next((_page(cache, replace(layout, block_size=1)) for cache in backends), 0)
    latent = any(isinstance(cache, Latent) for cache in backends)
    attention = AttentionSide(block_size, one_token, tuple(backends.values()), latent)
    aligned = align_states(states, attention, model=model, resolved=resolved, site=site)
    return replace(layout, block_size=aligned.block_size, states=aligned)


def _spec(cache: Cache, backend: Backend | None, layout: Layout) -> LayerSpec:
    """The spec of one cache before pages are unified."""
    block, page = layout.block_size, _page(cache, layout)
    spec: LayerSpec
    match cache:
        case FullAttention() | CrossAttention():
            kind = FULL if isinstance(cache, FullAttention) else CROSS
            spec = LayerSpec(kind, block, page, _heads(cache, layout))
        case SlidingWindow(window=window):
            own = backend.largest_within(block) if backend else block
            spec = LayerSpec(WINDOW, own, page // block * own, _heads(cache, layout), window)
        case ChunkedLocal(chunk=chunk):
            spec = LayerSpec(CHUNKED, block, page, _heads(cache, layout), chunk)
        case Latent():
            spec = LayerSpec(LATENT, block, page, ("latent", cache.lora_rank + cache.rope_dim))
        case Indexer(head_dim=width, ratio=ratio):
            spec = LayerSpec(LATENT, block, page, ("indexer", width, ratio), stride=_stride(cache, backend, layout))
        case CompressedLatent(head_dim=width, ratio=ratio):
            spec = LayerSpec(LATENT, block, page, ("compressed", width, ratio), stride=_stride(cache, backend, layout))
        case WindowLatent(head_dim=width, window=window):
            form, size = _records(layout), ("latent", width)
            page, kept = form.padded(form.block * form.window), not form.replayed
            spec = LayerSpec(WINDOW_LATENT, form.block, page, size, window, stride=form.stride, cached=kept)
        case CompressorState(head_dim=width, ratio=ratio):
            spec = _compressor(width, ratio, layout)
        case StateSpace():
            spec = _state(cache, layout)
        case _:
            assert_never(cache)
    return spec


def _page(cache: Cache, layout: Layout) -> int:
    """Bytes of one block of attention on one rank; 0 for caches with a block size of their own."""
    block, page = layout.block_size, 0
    match cache:
        case FullAttention() | SlidingWindow() | ChunkedLocal() | CrossAttention():
            heads, key, value = _heads(cache, layout)
            page = block * heads * token_bytes(layout.kv_dtype, key, value, element=layout.element)
        case Latent():
            page = block * _latent_bytes(cache, layout)
        case Indexer(quantized=True):
            row = cache.head_dim + cache.head_dim // SCALED * SCALE
            page = block // cache.ratio * row
            page = layout.records.padded(page) if layout.records else page  # V3.2's is not padded
        case Indexer():
            page = block * cache.head_dim * layout.element
        case CompressedLatent():
            records = _records(layout)
            page = records.padded(block // cache.ratio * records.compressed)
        case _:
            pass
    return page


def _latent_bytes(cache: Latent, layout: Layout) -> int:
    """Bytes of one token's latent vector; it is not split over ranks."""
    if cache.sparse and layout.packed:
        return PACKED_MLA.get(layout.kv_dtype, PACKED_MLA["fp8_ds_mla"])
    return (cache.lora_rank + cache.rope_dim) * (layout.element if layout.kv_dtype in PLAIN else 1)


def _stride(cache: Cache, backend: Backend | None, layout: Layout) -> int:
    """Where a block is cut into smaller kernel blocks, blocks lie a multiple of such a one's page apart.

    Source: ``v1/worker/utils.py``, ``v1/kv_cache_interface.py::KVCacheSpec.get_block_stride_alignment``.
    """
    kernel = backend.largest_within(layout.block_size) if backend and layout.records else layout.block_size
    return _page(cache, replace(layout, block_size=kernel)) if kernel < layout.block_size else 1


def _records(layout: Layout) -> Records:
    assert layout.records is not None, "a model with compressed latents has a window beside them"
    return layout.records


def _compressor(head_dim: int, ratio: int, layout: Layout) -> LayerSpec:
    rows = compressor_rows(head_dim, ratio, _records(layout), drafts=layout.drafts)
    shape = ("compressor", rows.width)
    if not rows.window:
        return LayerSpec(RING, rows.block, rows.page, shape, blocks=1, cached=False)
    return LayerSpec(WINDOW_LATENT, rows.block, rows.page, shape, rows.window)


def _state(cache: StateSpace, layout: Layout) -> LayerSpec:
    states = layout.states
    assert states is not None, "a recurrent layer's layout is planned with its states"
    page = states.page_bytes or states.own_bytes[cache]
    blocks = states.blocks[cache.kind]
    shape: tuple[int | str, ...] = (cache.kind, states.own_bytes[cache], *(state.units for state in cache.states))
    return LayerSpec(STATE, states.state_block, page, shape, blocks=blocks, every_block=states.every_block)


def _heads(
    cache: FullAttention | SlidingWindow | ChunkedLocal | CrossAttention, layout: Layout
) -> tuple[int, int, int]:
    """KV heads on a rank, and the widths of a key and a value."""
    value: int = getattr(cache, "value_dim", 0) or cache.head_dim
    return heads_per_rank(cache.kv_heads, layout.tensor_parallel), cache.head_dim, value
