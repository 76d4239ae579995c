"""Which caches V0 decodes with vLLM's own paged-attention kernels, and when query heads read them each for itself.

V0 took FlashAttention where it went, else these two kernels. The second splits the context, and query heads that share
keys and values find them in the L2 cache. The first, taken once a step has enough heads to keep a GPU busy, reads them
for each query head anew, and takes as long as the multiprocessors need for that.
Source: vLLM 0.6.0 attention/selector.py::which_attn_to_use, attention/ops/paged_attn.py::PagedAttention.forward_decode
(``num_seqs * num_heads > 512``; CUDA graphs are captured for the 8,192 tokens up to which that holds); 0.6.2
attention/backends/rocm_flash_attn.py, which has kernels of its own; 0.9.0 platforms/cuda.py::get_attn_backend_cls.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.calc.kv_specs import heads_per_rank
from llmtune.calc.switches import words
from llmtune.spec.model import FullAttention, SlidingWindow

if TYPE_CHECKING:
    from llmtune.calc.shares import Site
    from llmtune.spec.model import Cache

CROWD = 512  # requests times query heads of a rank above which every head reads for itself
HOPPER = 9  # major compute capability
FLASH_CAPABILITY = (8, 0)  # compute capability that FlashAttention 2 needs
FLASH_DTYPES = ("bfloat16", "float16")


def rereads(cache: Cache, site: Site) -> tuple[float, float]:
    """How often a decoding step may read this cache again, and above how many requests; 0 times where it never does."""
    resolved = site.resolved
    if not isinstance(cache, FullAttention | SlidingWindow) or resolved.runner != "v0" or not _paged(cache, site):
        return 0.0, 0.0
    heads = site.model.heads / resolved.tensor_parallel
    return max(0.0, heads / heads_per_rank(cache.kv_heads, resolved.tensor_parallel) - 1), CROWD / heads


def _paged(cache: FullAttention | SlidingWindow, site: Site) -> bool:
    """Whether the paged-attention kernels decode it."""
    gpu, reasons = site.hardware.gpu, words(site.engine, "speed.paged_kernels")
    if gpu.vendor != "nvidia":
        return "rocm" in reasons
    capability = gpu.compute_capability or FLASH_CAPABILITY
    eight_bit = "fp8-hopper" if capability[0] == HOPPER else "fp8"
    return (
        ("window" in reasons and isinstance(cache, SlidingWindow))
        or (eight_bit in reasons and site.resolved.kv_cache_dtype.startswith("fp8"))
        or site.resolved.dtype not in FLASH_DTYPES
        or capability < FLASH_CAPABILITY
    )
