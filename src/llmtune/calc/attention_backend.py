"""Which attention kernels vLLM picks for a cache, as far as that decides block sizes, formats or a refusal.

vLLM walks a list of backends in order of preference and takes the first that accepts the layer. Held here: that
order and the block sizes; what each backend accepts is in ``calc/attention_rules.py``. Left out: backends that only
other platforms or uncommon flags reach, which never decide a block size that others would not.
Source: vLLM 0.33.0, ``platforms/cuda.py::_get_backend_priorities``, ``v1/attention/backends/*``
(``get_supported_kernel_block_sizes``), ``platforms/interface.py::_preferred_block_size_for_backends``.
"""

from __future__ import annotations

from itertools import product
from math import lcm
from typing import TYPE_CHECKING

from llmtune.calc.attention_rules import (
    ADA,
    AMPERE,
    BLACKWELL,
    BLACKWELL_CONSUMER,
    BLOCK,
    FA4_WIDEST,
    FP8,
    HOPPER,
    PLAIN,
    Site,
    latent_objection,
    plain_objection,
)
from llmtune.spec.memory import Failure
from llmtune.spec.model import (
    CompressedLatent,
    CompressorState,
    FullAttention,
    Indexer,
    Latent,
    SlidingWindow,
    StateSpace,
    WindowLatent,
)
from llmtune.spec.record import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterable

    from llmtune.spec.model import Cache

DEFAULT_BLOCK = 16  # tokens; config/cache.py::CacheConfig.DEFAULT_BLOCK_SIZE
FP8_TILE = 64  # tokens that FlashAttention 4 reads at once from an 8-bit cache of 512-wide heads on Hopper
FEW_HEADS = 16  # query heads a rank, up to which SM100 prefers other sparse kernels


@dataclass(frozen=True, slots=True)
class Backend:
    """An attention backend: the block sizes its kernels read, exact ones and multiples of ``multiple``."""

    name: str
    exact: tuple[int, ...] = ()
    multiple: int = 0

    @property
    def sizes(self) -> tuple[int, ...]:
        """The kernel block sizes; multiples stand for their base."""
        return (*self.exact, self.multiple) if self.multiple else self.exact

    @property
    def smallest(self) -> int:
        """The smallest kernel block."""
        return min(self.sizes)

    def accepts(self, block_size: int) -> bool:
        """Whether a block of this size can be cut into whole kernel blocks."""
        return any(block_size % size == 0 for size in self.sizes)

    def largest_within(self, tokens: int) -> int:
        """The largest kernel block of at most ``tokens``, or the smallest there is.

        Source: ``model_executor/layers/attention/attention.py::_largest_kernel_block_within``.
        """
        choices = list(self.exact)
        if self.multiple:
            choices.append(max(self.multiple, tokens // self.multiple * self.multiple))
        fitting = [size for size in choices if size <= tokens]
        return max(fitting) if fitting else min(choices)


BACKENDS = {
    backend.name: backend
    for backend in (
        Backend("FLASH_ATTN", multiple=16),
        Backend("FLASH_ATTN_DIFFKV", multiple=16),
        Backend("TRITON_ATTN_DIFFKV", multiple=16),
        Backend("FLASHINFER", exact=(16, 32, 64)),
        Backend("TRITON_ATTN", multiple=16),
        Backend("TRITON_FLASH_ATTN", multiple=16),
        Backend("TRITON_FLASHINFER", exact=(64,)),
        Backend("FLASH_ATTN_MLA", multiple=16),
        Backend("FLASHMLA", exact=(64,)),
        Backend("FLASHINFER_MLA", exact=(32, 64)),
        Backend("CUTLASS_MLA", exact=(128,)),
        Backend("TRITON_MLA", multiple=16),
        Backend("FLASH_ATTN_MLA_SPARSE", multiple=64),
        Backend("FLASH_ATTN_MLA_SPARSE_FA4", multiple=64),
        Backend("FLASHMLA_SPARSE", multiple=64),
        Backend("FLASHINFER_MLA_SPARSE", multiple=32),
        Backend("FLASHINFER_MLA_SPARSE_SM90", multiple=64),
        Backend("FLASHINFER_MLA_SPARSE_SM120", multiple=64),
        Backend("MINIMAX_M3_SPARSE", exact=(128,)),
        Backend("FLASHMLA_SPARSE_DSV4", exact=(256,)),
        Backend("DEEPSEEK_SPARSE_SWA", multiple=32),
        Backend("COMPRESSOR", multiple=1),
        Backend("DEEPSEEK_V32_INDEXER", exact=(64,)),
        Backend("DEEPSEEK_V4_INDEXER", exact=(256,)),
        Backend("DEEPSEEK_V41_SM90", exact=(64,)),
        Backend("DEEPSEEK_V41", exact=(128,)),
        Backend("MINIMAX_M3_SPARSE_INDEXER", exact=(128,)),
    )
}


def choose_backend(cache: Cache, site: Site) -> Backend | Failure | None:
    """The backend of one cache, the engine's refusal, or None for recurrent states (they have no attention)."""
    if isinstance(cache, StateSpace):
        return None
    own = _own_backend(cache, site)
    if own is not None:
        return BACKENDS[own]
    order = _latent_order(cache, site) if isinstance(cache, Latent) else _plain_order(cache, site)
    return _first(order, cache, site)


def common_block_size(backends: Iterable[Backend], widest_head: int, site: Site) -> int:
    """Tokens per block when ``--block-size`` is not set: 16, or the smallest that every backend accepts."""
    distinct = list(dict.fromkeys(backends))
    if len(distinct) == 1:
        return _preferred(distinct[0], widest_head, site)
    if all(backend.accepts(DEFAULT_BLOCK) for backend in distinct):
        return DEFAULT_BLOCK
    candidates = sorted({lcm(*sizes) for sizes in product(*(backend.sizes for backend in distinct))})
    return next(size for size in candidates if all(backend.accepts(size) for backend in distinct))


def _preferred(backend: Backend, widest_head: int, site: Site) -> int:
    """The block size of a model with one backend.

    Source: ``v1/attention/backends/flash_attn.py::get_preferred_block_size`` for the tile of 64;
    ``platforms/cuda.py::check_and_update_config`` of the releases that force a block size for latent attention.
    """
    forced = site.behaviour.get("kv.latent_block_size")
    if isinstance(forced, dict) and backend.name.endswith("MLA"):
        return int(forced.get(str(site.major), DEFAULT_BLOCK))
    tiled = backend.name in {"FLASH_ATTN", "TRITON_FLASH_ATTN"} and site.major == HOPPER
    if tiled and widest_head == FA4_WIDEST and site.kv_dtype in FP8:
        return FP8_TILE
    return DEFAULT_BLOCK if backend.accepts(DEFAULT_BLOCK) else backend.smallest


def _own_backend(cache: Cache, site: Site) -> str | None:
    """The backend of caches that only one model family has, and that it picks itself.

    DeepSeek-V4.1's indexers and kernels, whatever their name, read blocks of one size on Hopper and of another
    elsewhere (v1/attention/backends/mla/indexer.py::DeepseekV41IndexerBackend, models/deepseek_v41/sparse_mla.py).
    """
    name: str | None = None
    match cache:
        case CompressedLatent(ratio=1 | 2) | Indexer(v41=True):
            name = "DEEPSEEK_V41_SM90" if site.major == HOPPER else "DEEPSEEK_V41"
        case CompressorState():
            name = "COMPRESSOR"
        case WindowLatent():
            name = "DEEPSEEK_SPARSE_SWA"
        case CompressedLatent():
            name = "FLASHMLA_SPARSE_DSV4"
        case Indexer(quantized=False):
            name = "MINIMAX_M3_SPARSE_INDEXER"
        case Indexer(ratio=ratio):
            name = "DEEPSEEK_V32_INDEXER" if ratio == 1 else "DEEPSEEK_V4_INDEXER"
        case FullAttention(sparse=True):
            name = "MINIMAX_M3_SPARSE"
    return name


def _first(order: tuple[str, ...], cache: Cache, site: Site) -> Backend | Failure:
    """The first backend of the list that takes the cache, or the one the user named if it does."""
    if site.wanted is not None:
        name = site.wanted.upper()
        reason = _objection(name, cache, site)
        if reason is None:
            return _started(BACKENDS[name], site)
        message = f"Selected backend AttentionBackendEnum.{name} is not valid for this configuration."
        return Failure("invalid", f"{message} Reason: ['{reason}']")
    for name in order:
        if _objection(name, cache, site) is None:
            return _started(BACKENDS[name], site)
    return Failure("invalid", "No valid attention backend found for cuda")


def _objection(name: str, cache: Cache, site: Site) -> str | None:
    if name not in BACKENDS:
        return "unknown backend"
    if site.block_size is not None and not BACKENDS[name].accepts(site.block_size):
        return BLOCK
    return latent_objection(name, cache, site) if isinstance(cache, Latent) else plain_objection(name, cache, site)


def _started(backend: Backend, site: Site) -> Backend | Failure:
    """The backend, unless its own start-up check refuses the KV dtype.

    Source: ``v1/attention/backends/triton_attn.py::TritonAttentionImpl``, ``mla/triton_mla.py::TritonMLAImpl``,
    ``flash_attn.py::FlashAttentionImpl``.
    """
    if backend.name == "FLASH_ATTN_DIFFKV" and site.major == BLACKWELL and site.kv_dtype in FP8:
        return Failure("invalid", "FlashAttention does not support fp8 kv-cache on this device.")
    if not backend.name.startswith("TRITON") or not site.kv_dtype.startswith("fp8") or site.capability >= ADA:
        return backend
    triton = "Triton MLA backend" if backend.name == "TRITON_MLA" else "Triton attention backend"
    instead = "bfloat16" if site.major >= AMPERE else "float16"
    version = ".".join(map(str, site.capability))
    return Failure(
        "invalid",
        f"FP8 KV cache is not supported by the {triton} on {site.gpu} (compute capability {version}); native FP8 "
        f"(fp8e4nv) requires SM89+. Re-run with --kv-cache-dtype {instead}.",
    )


def _plain_order(cache: Cache, site: Site) -> tuple[str, ...]:
    """Backends for layers with keys and values, best first."""
    if isinstance(cache, FullAttention | SlidingWindow) and cache.value_dim not in {0, cache.head_dim}:
        return ("FLASH_ATTN_DIFFKV", "TRITON_ATTN_DIFFKV")  # chosen by the model: models/mimo_v2.py
    if site.major == BLACKWELL:
        return ("TRITON_FLASHINFER", "FLASHINFER", "FLASH_ATTN", "TRITON_ATTN")
    return ("TRITON_FLASH_ATTN", "FLASH_ATTN", "FLASHINFER", "TRITON_ATTN")


def _latent_order(cache: Latent, site: Site) -> tuple[str, ...]:
    """Backends for latent attention, best first."""
    if cache.sparse:
        return _sparse_order(cache, site)
    if site.major == BLACKWELL:
        return ("FLASHINFER_MLA", "CUTLASS_MLA", "TRITON_MLA")
    return ("FLASH_ATTN_MLA", "FLASHMLA", "TRITON_MLA")


def _sparse_order(cache: Latent, site: Site) -> tuple[str, ...]:
    """Backends for latent attention whose tokens an indexer chooses, best first."""
    if site.major == BLACKWELL_CONSUMER:
        return ("FLASHINFER_MLA_SPARSE_SM120",)
    if site.major != BLACKWELL:
        return ("FLASH_ATTN_MLA_SPARSE", "FLASHMLA_SPARSE", "FLASHINFER_MLA_SPARSE_SM90")
    if site.kv_dtype not in PLAIN:
        return ("FLASHINFER_MLA_SPARSE", "FLASHMLA_SPARSE")
    if cache.heads // site.tensor_parallel <= FEW_HEADS:
        return ("FLASH_ATTN_MLA_SPARSE_FA4", "FLASHINFER_MLA_SPARSE", "FLASHMLA_SPARSE")
    return ("FLASHMLA_SPARSE", "FLASHINFER_MLA_SPARSE")
