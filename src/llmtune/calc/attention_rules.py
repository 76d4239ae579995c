"""Which attention backends take which cache: vLLM's ``supports_*`` conditions, one function per kind of layer.

Each function answers with the engine's word for what is wrong, or None when the backend takes the cache.
Source: vLLM 0.33.0, ``v1/attention/backend.py::AttentionBackend.validate_configuration`` and the backends' own
``supports_*``; FlashAttention's generations: ``v1/attention/backends/fa_utils.py``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.spec.model import ChunkedLocal, CrossAttention, FullAttention, SlidingWindow
from llmtune.spec.record import dataclass

if TYPE_CHECKING:
    from collections.abc import Mapping

    from llmtune.spec.model import Cache, Latent

Capability = tuple[int, int]

AMPERE, HOPPER, BLACKWELL, BLACKWELL_CONSUMER = 8, 9, 10, 12  # major compute capabilities
ADA = (8, 9)
PLAIN = frozenset({"auto", "float16", "bfloat16"})
FP8 = frozenset({"fp8", "fp8_e4m3"})
PER_TOKEN_HEAD = frozenset({"fp8_per_token_head", "int8_per_token_head", "int4_per_token_head"})
LATENT_WIDTHS = frozenset({320, 512, 576})  # MLACommonBackend.get_supported_head_sizes
FLASHINFER_HEADS = frozenset({64, 128, 256, 512})
MIXED_HEADS = frozenset({256, 512})  # TRITON_FLASH_ATTN, TRITON_FLASHINFER
FA3, FA4 = 3, 4
FA2_WIDEST, FA4_WIDEST, FA4_BLACKWELL_WIDEST = 256, 512, 128  # head dims
BLOCK = "block_size not supported"
DTYPE = "kv_cache_dtype not supported"
CAPABILITY = "compute capability not supported"
HEAD = "head_size not supported"
SINKS = "attention sinks not supported"
IMAGES = "partial multimodal token full attention not supported"


@dataclass(frozen=True, slots=True)
class Site:
    """Where attention runs: the GPU, the KV dtype after ``auto`` was resolved, and what the release does."""

    capability: Capability
    gpu: str
    kv_dtype: str
    dtype: str
    behaviour: Mapping[str, object]
    wanted: str | None = None  # --attention-backend
    block_size: int | None = None  # --block-size
    tensor_parallel: int = 1
    context_parallel: int = 1

    @property
    def major(self) -> int:
        """The major compute capability."""
        return self.capability[0]


def head_dim(cache: Cache) -> int:
    """Width of a key head, 0 for caches without heads."""
    return cache.head_dim if isinstance(cache, FullAttention | SlidingWindow | ChunkedLocal | CrossAttention) else 0


def has_sinks(cache: Cache) -> bool:
    """Whether the layer adds sinks to its softmax."""
    return isinstance(cache, FullAttention | SlidingWindow) and cache.sinks


def is_bidirectional(cache: Cache) -> bool:
    """Whether image tokens see each other both ways."""
    return isinstance(cache, FullAttention | SlidingWindow) and cache.bidirectional


def latent_objection(name: str, cache: Latent, site: Site) -> str | None:
    """What a latent-attention backend has against a cache."""
    width = cache.lora_rank + cache.rope_dim
    rules: dict[str, tuple[frozenset[int], frozenset[str], bool]] = {  # capabilities, dtypes, whether the shape fits
        "FLASH_ATTN_MLA": (frozenset({HOPPER}), PLAIN, width in LATENT_WIDTHS),
        "FLASHMLA": (frozenset({HOPPER}), PLAIN | FP8, width in LATENT_WIDTHS),
        "FLASHINFER_MLA": (frozenset({BLACKWELL}), PLAIN | FP8, cache.nope_dim in {64, 128, 192}),
        "CUTLASS_MLA": (frozenset({BLACKWELL}), PLAIN | FP8, width in LATENT_WIDTHS),
        "TRITON_MLA": (frozenset({site.major}), PLAIN | FP8, True),
        "FLASH_ATTN_MLA_SPARSE": (frozenset({HOPPER}), PLAIN, site.context_parallel == 1),
        "FLASH_ATTN_MLA_SPARSE_FA4": (frozenset({BLACKWELL}), PLAIN - {"float16"}, width == max(LATENT_WIDTHS)),
        "FLASHMLA_SPARSE": (frozenset({HOPPER, BLACKWELL}), _flashmla_sparse_dtypes(site), True),
        "FLASHINFER_MLA_SPARSE": (frozenset({BLACKWELL}), PLAIN | FP8, cache.nope_dim in {128, 192}),
        "FLASHINFER_MLA_SPARSE_SM90": (frozenset({HOPPER}), (PLAIN | FP8) - {"float16"}, True),
        "FLASHINFER_MLA_SPARSE_SM120": (frozenset({BLACKWELL_CONSUMER}), FP8 | {"auto", "fp8_ds_mla"}, True),
    }
    if name not in rules:
        return "MLA not supported"
    if cache.sparse != ("SPARSE" in name):
        return "sparse not supported" if cache.sparse else "non-sparse not supported"
    majors, dtypes, shape = rules[name]
    checks = ((shape, HEAD), (site.kv_dtype in dtypes, DTYPE), (site.major in majors, CAPABILITY))
    return next((words for fits, words in checks if not fits), None)


def _flashmla_sparse_dtypes(site: Site) -> frozenset[str]:
    own = frozenset({"auto", "bfloat16", "fp8", "fp8_ds_mla"})
    return own | {"nvfp4_ds_mla"} if site.major == BLACKWELL else own


def plain_objection(name: str, cache: Cache, site: Site) -> str | None:
    """What a backend for keys and values has against a cache."""
    if name == "FLASH_ATTN":
        return _flash_objection(cache, site)
    if name == "FLASHINFER":
        return _flashinfer_objection(cache, site)
    everywhere = frozenset({site.major})
    rules: dict[str, tuple[bool, frozenset[str], frozenset[int]]] = {  # whether the layer fits, dtypes, capabilities
        "TRITON_FLASH_ATTN": (_mixes(cache), PLAIN | FP8, frozenset({HOPPER})),
        "TRITON_FLASHINFER": (_mixes(cache), PLAIN | FP8, frozenset({BLACKWELL})),
        "TRITON_ATTN": (True, PLAIN | FP8 | PER_TOKEN_HEAD | {"fp8_e5m2"}, everywhere),
        "FLASH_ATTN_DIFFKV": (True, PLAIN | FP8, frozenset({HOPPER, BLACKWELL})),
        "TRITON_ATTN_DIFFKV": (True, PLAIN | FP8 | {"fp8_e5m2"}, everywhere),
    }
    if name not in rules:
        return "non-MLA not supported"
    fits, dtypes, majors = rules[name]
    checks = ((fits, HEAD), (site.kv_dtype in dtypes, DTYPE), (site.major in majors, CAPABILITY))
    return next((words for good, words in checks if not good), None)


def _mixes(cache: Cache) -> bool:
    """Whether the pairs of kernels made for image tokens take the layer."""
    return is_bidirectional(cache) and head_dim(cache) in MIXED_HEADS


def _flashinfer_objection(cache: Cache, site: Site) -> str | None:
    dtypes = PLAIN | FP8 | {"fp8_e5m2", "nvfp4"}
    if site.major == BLACKWELL:
        dtypes |= {"nvfp4_4over6"}
    checks = (
        (head_dim(cache) in FLASHINFER_HEADS, HEAD),
        (site.kv_dtype in dtypes, DTYPE),
        (not is_bidirectional(cache), IMAGES),
        (not has_sinks(cache) or site.major >= HOPPER, SINKS),
        (site.major >= AMPERE, CAPABILITY),
    )
    return next((words for fits, words in checks if not fits), None)


def _flash_objection(cache: Cache, site: Site) -> str | None:
    version = flash_version(head_dim(cache), site, bidirectional=is_bidirectional(cache))
    newest = site.major in {HOPPER, BLACKWELL}  # FlashAttention 3 and 4 run there only
    eight_bit = site.kv_dtype in FP8
    reads_eight_bit = (site.major == BLACKWELL and version == FA4) or (
        site.major == HOPPER and (version == FA3 or head_dim(cache) == FA4_WIDEST)
    )
    reads_images = version == FA4 and not (eight_bit and site.major == HOPPER)
    checks = (
        (head_dim(cache) % 8 == 0 and head_dim(cache) <= (FA4_WIDEST if newest else FA2_WIDEST), HEAD),
        (site.kv_dtype in PLAIN or (eight_bit and reads_eight_bit), DTYPE),
        (not is_bidirectional(cache) or reads_images, IMAGES),
        (not has_sinks(cache) or newest, SINKS),
        (site.major >= AMPERE, CAPABILITY),
    )
    return next((words for fits, words in checks if not fits), None)


def flash_version(width: int, site: Site, *, bidirectional: bool) -> int:
    """The FlashAttention generation: 3 on Hopper (4 for wide heads), 4 on Blackwell (2 for most wide heads), else 2.

    Source: ``v1/attention/backends/fa_utils.py::get_flash_attn_version``.
    """
    if site.major == HOPPER:
        return FA4 if width > FA2_WIDEST else FA3
    if site.major != BLACKWELL:
        return 2
    if width == FA2_WIDEST:
        return 2 if bidirectional or site.kv_dtype not in PLAIN else FA4
    return FA4 if width <= FA4_BLACKWELL_WIDEST else 2
