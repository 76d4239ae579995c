"""What a GPU's memory is spent on, and what the KV cache plan is. Sizes in bytes per GPU (the fullest rank)."""

from __future__ import annotations

from llmtune.spec.record import dataclass


@dataclass(frozen=True, slots=True)
class Part:
    """One memory part with its interval and the reason for its size."""

    name: str
    bytes: int
    why: str
    low: int
    high: int


@dataclass(frozen=True, slots=True)
class KvGroup:
    """One of the engine's KV cache groups: layers that share block tables, as the first pipeline stage holds them.

    ``kind`` in the engine's words (``full_attention``, ``sliding_window``, ``mla_attention``, ``mamba`` ...);
    ``page_bytes`` of one block in one layer, or in all of the group's layers together where their sizes differ
    (``engine_type`` is then ``UniformTypeKVCacheSpecs``).
    """

    kind: str
    layers: int
    page_bytes: int
    block_size: int
    blocks_per_request: int
    engine_type: str = ""  # the engine's class, for comparison with its own output


@dataclass(frozen=True, slots=True)
class KvCache:
    """The KV cache plan: what the engine prints at start-up and what it admits.

    ``bytes_per_block`` and ``groups`` are those of the first pipeline stage; ``num_blocks`` is the least of all.
    """

    groups: tuple[KvGroup, ...]
    bytes_per_block: int
    num_blocks: int
    tokens: int  # "GPU KV cache size: N tokens", by this release's own definition
    max_concurrency: float  # "Maximum concurrency for M tokens per request"
    block_size: int
    blocks_per_request: int
    needed_bytes: int  # to hold one request of max_model_len
    max_model_len: int = 0  # tokens; below the setting when the engine was told to find the length itself


@dataclass(frozen=True, slots=True)
class Failure:
    """Why the engine will not start: kind (``weights``, ``kv_cache``, ``invalid`` …) and the engine's own words.

    ``check`` names which of the engine's checks it is (``heads-split``), where one of several refuses.
    """

    kind: str
    engine_message: str
    check: str = ""


@dataclass(frozen=True, slots=True)
class Memory:
    """The memory plan of the fullest rank. ``parts`` sum to ``total``.

    ``kv_available`` is what the estimate leaves for the KV cache, negative where something is short; ``kv_low`` and
    ``kv_high`` bound it. ``doubt`` says what decides where an interval leaves open whether the engine starts, and
    ``risks`` what may run out of memory after the KV cache has been allocated.
    """

    total: int
    budget: int
    parts: tuple[Part, ...]
    kv_low: int
    kv_high: int
    kv: KvCache | None
    failure: Failure | None
    max_model_len_that_fits: int | None
    rank: int = 0
    stage_weights: tuple[int, ...] = ()  # weight bytes of every pipeline stage, on its fullest rank
    kv_available: int = 0
    doubt: str = ""
    risks: tuple[str, ...] = ()

    @property
    def fits(self) -> bool:
        """Whether the engine is expected to start."""
        return self.failure is None

    @property
    def verdict(self) -> str:
        """``yes``, ``no`` or ``too close to call``."""
        if self.doubt:
            return "too close to call"
        return "yes" if self.fits else "no"

    def part(self, name: str) -> Part:
        """One part by its name."""
        return next(part for part in self.parts if part.name == name)
