"""How DeepSeek-V4 and V4.1 store their latents: bytes of a record, what pages and blocks are padded to.

V4 keeps 448 numbers in 8 bits, 64 in 16 bits and scales: 584 bytes. V4.1 does so too, except on data-centre Blackwell:
there a window's record takes 512 numbers in 8 bits and 16 scales, and the fused kernel reads compressed records in
NVFP4. FlashInfer reads plain rows.
Source: vLLM 0.33.0 models/deepseek_v4/attention.py; models/deepseek_v41/attention.py::DeepseekV4Attention,
_resolve_dsv4_kv_cache_dtype; models/deepseek_v41/nvidia/model.py::_select_dsv4_attn_cls.
"""

from __future__ import annotations

from math import lcm
from typing import TYPE_CHECKING

from llmtune.calc.attention_rules import BLACKWELL, BLACKWELL_CONSUMER, Site
from llmtune.spec.memory import Failure
from llmtune.spec.model import WindowLatent
from llmtune.spec.record import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterable

    from llmtune.spec.model import Cache

PACKED, PACKED_ALIGNMENT = 584, 576  # bytes
BLACKWELL_WINDOW, NVFP4, BLACKWELL_ALIGNMENT = 528, 288, 512  # bytes
WINDOW_BLOCK, WINDOW_BLOCK_V41 = 64, 32  # tokens; v1/attention/backends/mla/sparse_swa.py::DeepseekV4SWACache
COMPRESSOR_BLOCK = {4: 4, 128: 8}  # tokens by ratio
OVERLAPPING = 4  # the ratio whose compressor also keeps the group before
RING_RATIO = 2  # the ratio of V4.1's compressors with a ring
RING_ROWS = 8  # the fewest rows of a ring
NUMBER = 4  # bytes of a compressor's numbers
UNSPECIFIC = frozenset({"auto", "fp8"})
NVFP4_CACHE = "nvfp4_ds_mla"
FLASHINFER = frozenset({"FLASHINFER_MLA_SPARSE_DSV4", "FLASHINFER_MLA_SPARSE_DSV41"})
FLASHMLA = frozenset({"FLASHMLA_SPARSE", "FLASHMLA_SPARSE_DSV4", "FLASHMLA_SPARSE_DSV41"})
NOT_PACKED = (
    "DeepseekV4 packed KV layouts only support fp8 kv-cache, got {}. Please set `--kv-cache-dtype fp8` or select a "
    "backend that supports bfloat16 KV cache."
)
NOT_BLACKWELL = "nvfp4_ds_mla needs the V4.1 KV records, which FlashMLA decodes only on SM100."
NOT_PLAIN = "{} is a packed FlashMLA DeepSeek V4.1 KV cache format; the selected backend stores plain KV rows."


@dataclass(frozen=True, slots=True)
class Records:
    """Bytes of one latent in the window's cache and in the compressed one, and the block of the window's in tokens.

    Pages are padded to ``alignment``; the distance between blocks, which hold the pages of all layers side by side, is
    a multiple of ``stride``. ``replayed``: a prefix hit's window is computed anew, so the window's cache takes no part
    in prefix caching.
    """

    window: int = PACKED
    compressed: int = PACKED
    alignment: int = PACKED_ALIGNMENT
    stride: int = 1
    block: int = WINDOW_BLOCK
    replayed: bool = False

    def padded(self, page: int) -> int:
        """The bytes of a page with its padding."""
        return -(-page // self.alignment) * self.alignment


def latent_records(caches: Iterable[Cache], site: Site, *, runner: str) -> Records | Failure | None:
    """The formats of a model's latents, the engine's refusal, or None for models without them.

    Worked example (V4.1 on a B200, KV dtype auto): 528 bytes in the window, 288 compressed; blocks in steps of
    lcm(528, 288) = 3168 bytes.
    """
    window = next((cache for cache in caches if isinstance(cache, WindowLatent)), None)
    if window is None:
        return None
    return _records_v41(window.head_dim, site, runner) if window.v41 else Records()


def _records_v41(width: int, site: Site, runner: str) -> Records | Failure:
    wanted, dtype = (site.wanted or "").upper(), site.kv_dtype
    features = site.behaviour.get("kv.v41_features")
    known = features if isinstance(features, list) else []
    replayed = "bounded_replay" in known and runner == "v2"
    if wanted in FLASHINFER and site.major != BLACKWELL_CONSUMER:
        if dtype.endswith("_ds_mla"):
            return Failure("invalid", NOT_PLAIN.format(dtype))
        row = width * (1 if dtype.startswith("fp8") else 2)
        return Records(row, row, BLACKWELL_ALIGNMENT, block=WINDOW_BLOCK_V41, replayed=replayed)
    if dtype not in UNSPECIFIC and not dtype.endswith("_ds_mla"):
        return Failure("invalid", NOT_PACKED.format(dtype))
    if site.major != BLACKWELL:
        if dtype == NVFP4_CACHE:
            return Failure("invalid", NOT_BLACKWELL)
        return Records(block=WINDOW_BLOCK_V41, replayed=replayed)
    fused = "fused_attention" in known and wanted not in FLASHMLA
    small = dtype == NVFP4_CACHE or (fused and dtype in UNSPECIFIC)
    compressed = NVFP4 if small else BLACKWELL_WINDOW
    return Records(
        BLACKWELL_WINDOW,
        compressed,
        BLACKWELL_ALIGNMENT,
        stride=lcm(BLACKWELL_WINDOW, compressed) if "aligned_blocks" in known else 1,
        block=WINDOW_BLOCK_V41,
        replayed=replayed,
    )


@dataclass(frozen=True, slots=True)
class Rows:
    """What a compressor keeps: blocks of ``block`` rows of ``width`` 32-bit numbers, which are ``page`` bytes.

    ``window`` tokens are kept; 0 for a ring, which is one block a request whatever its length.
    """

    block: int
    width: int
    page: int
    window: int


def compressor_rows(head_dim: int, ratio: int, records: Records, *, drafts: int) -> Rows:
    """Key and score of the tokens that a compressor has not folded yet.

    V4's rows are twice as wide where groups overlap. V4.1's ring has room for the drafts, the token after them and the
    one before, as a power of two.
    Worked example: 512 numbers at ratio 4 are rows of 2 x 2 x 512 x 4 = 8192 bytes, four rows a block: 32768 bytes,
    padded to 32832; a request holds the last 8 tokens. At ratio 2 a ring has 8 rows of 2 x 512 x 4 bytes: 32768.
    Source: models/deepseek_v4/compressor.py and models/deepseek_v41/compressor.py::CompressorStateCache.
    """
    if ratio == RING_RATIO:
        block = max(RING_ROWS, 1 << (drafts + 1).bit_length())
        return Rows(block, 2 * head_dim, block * 2 * head_dim * NUMBER, window=0)
    overlap = 2 if ratio == OVERLAPPING else 1
    block, width = COMPRESSOR_BLOCK[ratio], 2 * overlap * head_dim
    return Rows(block, width, records.padded(block * width * NUMBER), overlap * ratio)
