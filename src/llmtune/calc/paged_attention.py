"""Which caches V0 decodes with vLLM's own paged-attention kernels, and when query heads read them each for itself.

V0 took FlashAttention where it went, else these two kernels. The second splits the context, and query heads that share
keys and values find them in the L2 cache. The first, taken once a step has enough heads to keep a GPU busy, reads them
for each query head anew; how much of that reaches memory is measured (``kv_rereads``).
Source: vLLM 0.6.0 attention/selector.py::which_attn_to_use, attention/ops/paged_attn.py::PagedAttention.forward_decode
(``num_seqs * num_heads > 512``; CUDA graphs are captured for the 8,192 tokens up to which that holds); 0.6.2
attention/backends/rocm_flash_attn.py, which has kernels of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.calc.switches import words
from llmtune.spec.model import FullAttention, SlidingWindow

if TYPE_CHECKING:
    from llmtune.calc.shares import Site
    from llmtune.spec.model import Cache

CROWD = 512  # requests times query heads of a rank above which every head reads for itself
FLASH_CAPABILITY = (8, 0)  # compute capability that FlashAttention 2 needs
FLASH_DTYPES = ("bfloat16", "float16")


def rereads(cache: Cache, site: Site) -> tuple[float, float]:
    """How often a decoding step may read this cache again, and above how many requests; 0 times where it never does."""
    resolved = site.resolved
    if not isinstance(cache, FullAttention | SlidingWindow) or resolved.runner != "v0" or not _paged(cache, site):
        return 0.0, 0.0
    return max(0.0, site.model.heads / cache.kv_heads - 1), CROWD * resolved.tensor_parallel / site.model.heads


def _paged(cache: FullAttention | SlidingWindow, site: Site) -> bool:
    """Whether the paged-attention kernels decode it."""
    gpu, reasons = site.hardware.gpu, words(site.engine, "kv.paged_kernels")
    if gpu.vendor != "nvidia":
        return "rocm" in reasons
    return (
        ("window" in reasons and isinstance(cache, SlidingWindow))
        or site.resolved.dtype not in FLASH_DTYPES
        or (gpu.compute_capability or FLASH_CAPABILITY) < FLASH_CAPABILITY
    )
