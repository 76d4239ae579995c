"""How releases up to 0.28 laid the blocks of DeepSeek-V4, whose pages are of several sizes.

They took a tuple with one page of every size that the compressed caches have, padded the pages of windows and
compressor states to the next of these sizes, and reserved as many tuples as the longest group has. From 0.23 a block
has only the pages that some group uses, and from 0.27 pages are not padded; the check whether a request fits counted
whole tuples until 0.28. Up to 0.26 the printed concurrency divides by bytes, in which small groups count less.
Source: vLLM 0.22.0, 0.26.0 and 0.28.0, ``v1/core/kv_cache_utils.py::_pool_bytes_per_block``,
``_max_memory_usage_bytes_from_groups``, ``get_max_concurrency_for_kv_cache_config``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.calc.kv_specs import LATENT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from llmtune.calc.kv_strands import Group


def is_packed(groups: Sequence[Group]) -> bool:
    """Whether pages of several groups lie side by side in one block."""
    return len(groups) > 1 and all(group.mixed for group in groups) and _main(groups) is not None


def tuple_bytes(groups: Sequence[Group], stage: int) -> int:
    """Bytes of a block of whole tuples on a stage.

    Worked example (DeepSeek-V4-Flash): pages of 37,440, 8640 and 1728 bytes; the longest group has 22 window caches,
    so 22 x 47,808 = 1,051,776.
    """
    sizes = _sizes(groups, stage)
    return sum(sizes) * max((max(_layers(group, stage, sizes).values(), default=0) for group in groups), default=0)


def slot_bytes(groups: Sequence[Group], stage: int) -> int:
    """Bytes of a block of used pages: for each size, those of the group that has most.

    Worked example: 22 x 37,440 + 21 x 8640 + 20 x 1728 = 1,039,680.
    """
    sizes = _sizes(groups, stage)
    layers = [_layers(group, stage, sizes) for group in groups]
    return sum(size * max(found.get(size, 0) for found in layers) for size in sizes)


def counted_blocks(groups: Sequence[Group], held: Sequence[int]) -> int:
    """What a request holds (``held`` blocks in each group), in blocks as wide as the main group's pages.

    Counted on the first stage that has a layer of the main group.
    """
    main = _main(groups)
    assert main is not None, "is_packed was asked first"
    stage = next(stage for stage in range(len(main.members[0].counts)) if main.block_bytes(stage))
    sizes = _sizes(groups, stage)
    wide = [sum(size * layers for size, layers in _layers(group, stage, sizes).items()) for group in groups]
    used = sum(blocks * size for blocks, size in zip(held, wide, strict=True))
    return -(-used // main.block_bytes(stage))


def _main(groups: Sequence[Group]) -> Group | None:
    """The group of the compressed caches and the indexer's."""
    return next((group for group in groups if group.spec.kind == LATENT), None)


def _sizes(groups: Sequence[Group], stage: int) -> list[int]:
    """The page sizes of the main group on a stage, smallest first."""
    main = _main(groups)
    return sorted({member.spec.page_bytes for member in main.members if member.counts[stage]}) if main else []


def _layers(group: Group, stage: int, sizes: Sequence[int]) -> dict[int, int]:
    """Layers of a group by the size that their pages are padded to."""
    found: dict[int, int] = {}
    for member in group.members:
        padded = next((size for size in sizes if size >= member.spec.page_bytes), 0)
        found[padded] = found.get(padded, 0) + member.counts[stage]
    return found
