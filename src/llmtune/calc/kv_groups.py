"""Which layers share block tables, and what one block of the pool costs.

vLLM draws all blocks from one pool, so every group of layers must cost the same bytes per block. Models with one kind
of cache form one group. Others are cut into groups of about as many layers as the rarest kind has, after pages were
made equal; DeepSeek-V4, whose pages cannot be made equal, packs them side by side in one block.
Layers are counted, not listed: a ``Strand`` is all layers with one spec and how many of them each pipeline stage has.
Source: vLLM 0.33.0, ``v1/core/kv_cache_planning.py::get_kv_cache_groups`` and what it calls.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from llmtune.calc.kv_packing import pack_groups
from llmtune.calc.kv_specs import CHUNKED, FULL, LATENT, STATE, WINDOW, WINDOW_LATENT, LayerSpec
from llmtune.calc.kv_strands import Group, Strand, is_one_type, share
from llmtune.spec.memory import Failure
from llmtune.spec.record import dataclass

if TYPE_CHECKING:
    from collections.abc import Sequence

NO_PROMOTION = "Failed to promote local KV cache specs to one unified type."
NO_PADDING = (
    "page size is not divisible by the maximum page size and cannot be padded. Padding is only supported for non-MLA "
    "attention layers."
)
FULL_KINDS = frozenset({FULL, LATENT})
LOCAL = {
    WINDOW: FULL,
    CHUNKED: FULL,
    WINDOW_LATENT: LATENT,
}  # what local attention is held as without the hybrid manager


@dataclass(frozen=True, slots=True)
class Grouping:
    """How a release groups: whether kinds are kept apart, whether pages lie side by side in a block, and padding.

    A group size as large as the commonest kind is taken while that is less than ``stretch`` times the rarest.
    """

    hybrid_manager: bool
    block_outermost: bool
    stretch: float


def group_layers(strands: Sequence[Strand], grouping: Grouping) -> tuple[Group, ...] | Failure:
    """The groups of a model's layers, in the engine's order."""
    if not grouping.hybrid_manager:
        promoted = _promote(strands)
        if isinstance(promoted, Failure):
            return promoted
        strands = promoted
    if len(strands) <= 1:
        return tuple(Group((strand,)) for strand in strands)
    if is_one_type(strands):
        return (Group(tuple(strands), mixed=True),)
    if grouping.block_outermost and len({strand.spec.page_bytes for strand in strands}) > 1:
        return pack_groups(strands)
    return _group_equal_pages(strands, grouping.stretch)


def _group_equal_pages(strands: Sequence[Strand], stretch: float) -> tuple[Group, ...] | Failure:
    """Groups after pages were made equal; where they cannot be, windows next to a latent cache are held as full."""
    unified = _unify_pages(strands)
    if unified is not None:
        return _equal_groups(unified, stretch)
    promoted = _promote(strands)
    kinds = {strand.spec.kind for strand in strands}
    if LATENT in kinds and WINDOW in kinds and not isinstance(promoted, Failure):
        return (Group(tuple(promoted), mixed=True),)
    return Failure("invalid", NO_PADDING)


def _promote(strands: Sequence[Strand]) -> tuple[Strand, ...] | Failure:
    """Hold local attention for all tokens, as full attention; layers that become equal join one strand.

    Source: ``_promote_local_kv_cache_specs``.
    """
    if len(strands) <= 1 or is_one_type(strands):
        return tuple(strands)
    blocks = {strand.spec.block_size for strand in strands if strand.spec.kind in FULL_KINDS}
    joined: dict[LayerSpec, Strand] = {}
    for strand in strands:
        spec = strand.spec
        if blocks and spec.kind in LOCAL:
            block = next(iter(blocks)) if len(blocks) == 1 else spec.block_size
            page = spec.page_bytes * block // spec.block_size
            spec = replace(spec, kind=LOCAL[spec.kind], block_size=block, page_bytes=page, window=0)
        joined[spec] = joined[spec].joined(strand) if spec in joined else Strand(spec, strand.counts)
    promoted = tuple(joined.values())
    if len(promoted) == 1 or is_one_type(promoted):
        return promoted
    return Failure("invalid", NO_PROMOTION)


def _unify_pages(strands: Sequence[Strand]) -> list[Strand] | None:
    """Make all pages as large as the largest: longer blocks where that divides, padding where it does not.

    None when a latent cache neither divides nor may be padded. Source: ``unify_kv_cache_spec_page_size``.
    """
    largest = max(strand.spec.page_bytes for strand in strands)
    unified = []
    for strand in strands:
        spec = strand.spec
        if spec.kind == STATE or spec.page_bytes == largest:
            spec = replace(spec, page_bytes=largest)
        elif largest % spec.page_bytes == 0:
            spec = replace(spec, block_size=spec.block_size * (largest // spec.page_bytes), page_bytes=largest)
        elif spec.kind != LATENT:
            spec = replace(spec, page_bytes=largest)
        else:
            return None
        unified.append(Strand(spec, strand.counts))
    return unified


def _equal_groups(strands: Sequence[Strand], stretch: float) -> tuple[Group, ...]:
    """Cut every kind into groups of one size.

    Worked example: 10 full and 52 windowed layers make groups of 10, so 1 + 6; 13 and 12 make groups of 13, 1 + 1.
    Source: ``_get_kv_cache_groups_uniform_page_size``.
    """
    fewest = min(strand.layers for strand in strands)
    most = max(strand.layers for strand in strands)
    size = most if most < fewest * stretch else fewest
    groups = []
    for strand in strands:
        parts = -(-strand.layers // size)
        groups += [Group((Strand(strand.spec, share(strand.counts, part, parts)),)) for part in range(parts)]
    return tuple(groups)
