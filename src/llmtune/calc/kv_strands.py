"""Layers counted by spec and pipeline stage, and groups of them: the nouns of KV cache grouping."""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.calc.kv_specs import FULL, LATENT, STATE, LayerSpec
from llmtune.spec.record import dataclass

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class Strand:
    """All layers with one spec: how many of them stand on each pipeline stage."""

    spec: LayerSpec
    counts: tuple[int, ...]

    @property
    def layers(self) -> int:
        """Layers on all stages."""
        return sum(self.counts)

    def joined(self, other: Strand) -> Strand:
        """This strand with the layers of another."""
        counts = tuple(mine + theirs for mine, theirs in zip(self.counts, other.counts, strict=True))
        return Strand(self.spec, counts)


@dataclass(frozen=True, slots=True)
class Group:
    """Layers that share block tables. ``mixed`` groups hold layers of one type but different sizes."""

    members: tuple[Strand, ...]
    mixed: bool = False

    @property
    def spec(self) -> LayerSpec:
        """The first member's spec: kind, block size and window are those of all."""
        return self.members[0].spec

    def layers(self, stage: int) -> int:
        """Layers of the group on a stage."""
        return sum(member.counts[stage] for member in self.members)

    def block_bytes(self, stage: int) -> int:
        """Bytes that one block takes on a stage, over the group's layers there."""
        return sum(member.counts[stage] * member.spec.page_bytes for member in self.members)

    def page_bytes(self, stage: int) -> int:
        """What the engine calls the group's page: one layer's, or all layers' together in a mixed group."""
        if not self.mixed:
            return self.spec.page_bytes
        return self.block_bytes(stage) or sum(member.layers * member.spec.page_bytes for member in self.members)


def share(counts: tuple[int, ...], part: int, parts: int) -> tuple[int, ...]:
    """How many layers each stage contributes to one of several groups that take every ``parts``-th layer.

    Worked example: six layers, three on each of two stages, in four groups: ``share((3, 3), 0, 4) == (1, 1)``,
    ``share((3, 3), 3, 4) == (0, 1)``.
    """
    shares, start = [], 0
    for count in counts:
        shares.append((start + count - 1 - part) // parts - (start - 1 - part) // parts)
        start += count
    return tuple(shares)


def is_one_type(strands: Sequence[Strand]) -> bool:
    """Whether all layers always need the same blocks, so that they may differ in size within one group.

    Source: ``v1/kv_cache_interface.py::UniformTypeKVCacheSpecs.is_uniform_type``.
    """
    return len({_type(strand.spec) for strand in strands}) == 1


def _type(spec: LayerSpec) -> tuple[str | int, ...]:
    kind = FULL if spec.kind == LATENT else spec.kind
    size = spec.page_bytes if spec.kind == STATE else 0
    return kind, spec.block_size, spec.window, spec.blocks, size
