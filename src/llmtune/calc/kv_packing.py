"""DeepSeek-V4's way: groups whose pages lie side by side in one block, so that pages need not be equal.

Layers are put into buckets of one type each. A bucket with one layer of every page size per repeat (an indexer next to
its main cache, say) stays whole; larger buckets are cut down towards its number of repeats.
Source: vLLM 0.33.0, ``v1/core/kv_cache_planning.py::_get_packed_kv_cache_groups``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.calc.kv_specs import RING, STATE, WINDOW, WINDOW_LATENT
from llmtune.calc.kv_strands import Group, Strand, is_one_type, share

if TYPE_CHECKING:
    from collections.abc import Sequence

Bucket = tuple[Strand, ...]


def pack_groups(strands: Sequence[Strand]) -> tuple[Group, ...]:
    """The groups of a model whose blocks hold pages of several sizes.

    Worked example (DeepSeek-V4-Pro): 61 window caches, 31 + 30 + 30 compressed and indexer caches, 31 compressor
    states of ratio 128 and 30 pairs of ratio 4. The pairs repeat 30 times, so the windows are cut into 31 and 30.
    """
    buckets = _sort_into_buckets(strands)
    whole = [_repeats(bucket) for bucket in buckets if _is_balanced(bucket) and len(_page_sizes(bucket)) > 1]
    repeats = 0
    if whole:
        repeats = _least_padding([_repeats(bucket) for bucket in buckets if _is_balanced(bucket)], max(whole))
    anchor = max(_widest(bucket, _pieces(bucket, repeats, finest=True)) for bucket in buckets)
    groups: list[Group] = []
    for bucket in buckets:
        parts = _pieces(bucket, repeats)
        if _is_state(bucket, repeats):
            a_block = max(anchor // bucket[0].spec.page_bytes, 1)
            parts = max(parts, -(-sum(strand.layers for strand in bucket) // a_block))
        groups += [_piece(bucket, part, parts) for part in range(parts)]
    return tuple(groups)


def _sort_into_buckets(strands: Sequence[Strand]) -> list[Bucket]:
    """Layers of one type together, in the order in which types first appear."""
    buckets: list[Bucket] = []
    for strand in strands:
        for index, bucket in enumerate(buckets):
            if is_one_type((*bucket, strand)):
                buckets[index] = (*bucket, strand)
                break
        else:
            buckets.append((strand,))
    return buckets


def _page_sizes(bucket: Bucket) -> dict[int, int]:
    """Layers by page size."""
    sizes: dict[int, int] = {}
    for strand in bucket:
        sizes[strand.spec.page_bytes] = sizes.get(strand.spec.page_bytes, 0) + strand.layers
    return sizes


def _repeats(bucket: Bucket) -> int:
    return max(_page_sizes(bucket).values())


def _is_balanced(bucket: Bucket) -> bool:
    """Whether every page size has equally many layers."""
    return len(set(_page_sizes(bucket).values())) == 1


def _is_state(bucket: Bucket, repeats: int) -> bool:
    """Whether a bucket may be cut down to one layer a group: states, and windows when nothing else repeats."""
    kind = bucket[0].spec.kind
    return kind in {STATE, RING} or (not repeats and kind in {WINDOW, WINDOW_LATENT})


def _pieces(bucket: Bucket, repeats: int, *, finest: bool = False) -> int:
    """How many groups a bucket is cut into."""
    if finest and _is_state(bucket, repeats):
        return sum(strand.layers for strand in bucket)
    return -(-_repeats(bucket) // repeats) if repeats and _is_balanced(bucket) else 1


def _widest(bucket: Bucket, parts: int) -> int:
    """Bytes of the largest of the groups a bucket is cut into."""
    return sum(-(-layers // parts) * page for page, layers in _page_sizes(bucket).items())


def _piece(bucket: Bucket, part: int, parts: int) -> Group:
    return Group(tuple(Strand(strand.spec, share(strand.counts, part, parts)) for strand in bucket), mixed=True)


def _least_padding(counts: Sequence[int], lowest: int) -> int:
    """The group size with the least padding over all counts; the larger of equals. Source: ``_approximate_gcd``."""
    sizes = range(max(1, lowest), max(counts) + 1)
    if not sizes:
        return lowest
    return min(sizes, key=lambda size: (sum(-count % size for count in counts), -size))
