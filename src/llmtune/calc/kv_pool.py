"""The pool of KV cache blocks: the groups that draw from it, what a block costs, and what a request holds.

Everything here depends on the model and its settings, not on how much memory there is; ``calc/kv_cache.py`` puts the
two together.
Source: vLLM 0.33.0, ``v1/core/kv_cache_planning.py::get_global_kv_cache_groups``, ``max_memory_usage_bytes`` of the
specs in ``v1/kv_cache_interface.py``.
"""

from __future__ import annotations

from collections import Counter
from math import lcm
from typing import TYPE_CHECKING

from llmtune.calc.drafts import draft_layers
from llmtune.calc.kv_groups import Grouping, group_layers
from llmtune.calc.kv_specs import CHUNKED, CROSS, RING, STATE, WINDOW, WINDOW_LATENT, LayerSpec, layer_specs
from llmtune.calc.kv_strands import Group, Strand
from llmtune.calc.kv_tuples import counted_blocks, is_packed, slot_bytes, tuple_bytes
from llmtune.calc.stages import stage_layers
from llmtune.calc.switches import on, ratio, word
from llmtune.spec.memory import Failure
from llmtune.spec.model import ChunkedLocal, CrossAttention, FullAttention, Indexer
from llmtune.spec.record import dataclass

if TYPE_CHECKING:
    from collections.abc import Sequence

    from llmtune.spec.deployment import Resolved
    from llmtune.spec.engine import EngineVersion
    from llmtune.spec.hardware import Gpu
    from llmtune.spec.model import Cache, Model

WINDOW_UNDER_DCP = "DCP not support sliding window."
PARTED = "Compressed-KV source {} not found on this rank; PP splits inside a v4.1 kv-sharing group are not supported."
WINDOWS = frozenset({WINDOW, WINDOW_LATENT})
READS_STATES = frozenset({"eagle", "eagle3", "mtp", "dflash", "dspark"})  # SpeculativeConfig.use_eagle


@dataclass(frozen=True, slots=True)
class Pool:
    """A model's groups and what decides how many blocks a request holds in each.

    ``block_bytes`` of one block on each pipeline stage, and ``checked_bytes`` where the engine counts others when it
    checks that a request fits; ``in_flight`` tokens may be scheduled and not yet settled. ``by_bytes``: the engine
    counts concurrency in bytes.
    """

    groups: tuple[Group, ...]
    block_bytes: tuple[int, ...]
    checked_bytes: tuple[int, ...]
    in_flight: int
    encoder_tokens: int
    context_parallel: int
    by_bytes: bool = False

    def blocks_held(self, group: Group, length: int) -> int:
        """Blocks that a request of ``length`` tokens holds in a group."""
        return max(self._blocks(member.spec, length) for member in group.members)

    def request_blocks(self, length: int) -> int:
        """Blocks that a request of ``length`` tokens holds in all groups."""
        return sum(self.blocks_held(group, length) for group in self.groups)

    def counted_blocks(self, length: int) -> int:
        """What the engine divides by for the concurrency that it prints."""
        held = [self.blocks_held(group, length) for group in self.groups]
        return counted_blocks(self.groups, held) if self.by_bytes else sum(held)

    def longest(self, usable: Sequence[int], limit: int) -> int:
        """The longest request up to ``limit`` tokens that fits into the memory of every stage; 0 when none does."""
        room = min(memory // block for memory, block in zip(usable, self.checked_bytes, strict=True) if block)
        return self.longest_within(room, limit)

    def longest_within(self, room: int, limit: int) -> int:
        """The longest request that ``room`` blocks hold, by binary search; 0 when not even one token fits."""
        low, high = 0, limit
        while low < high:
            middle = (low + high + 1) // 2
            if self.request_blocks(middle) <= room:
                low = middle
            else:
                high = middle - 1
        return low

    def _blocks(self, spec: LayerSpec, length: int) -> int:
        """Blocks of one layer's cache. A window may start inside a block, hence one more."""
        tokens, extra = blocks_for(length, self.context_parallel), 0
        if spec.kind in WINDOWS:
            tokens, extra = min(spec.window - 1 + self.in_flight, length), 1
        elif spec.kind == CHUNKED:
            tokens = min(spec.window + self.in_flight, length)
        elif spec.kind == CROSS:
            tokens = self.encoder_tokens
        elif spec.kind in {STATE, RING}:
            tokens, extra = (length if spec.every_block else 0), spec.blocks
        return blocks_for(tokens, spec.block_size) + extra


def describe_pool(model: Model, resolved: Resolved, *, gpu: Gpu, engine: EngineVersion) -> Pool | Failure:
    """The groups of a model's layers under the resolved settings, or why the engine refuses the combination."""
    counts = _count_caches(model, resolved)
    caches = tuple(counts)
    specs = layer_specs(caches, model, resolved=resolved, gpu=gpu, behaviour=engine.behaviour)
    if isinstance(specs, Failure):
        return specs
    dcp = resolved.decode_context_parallel
    if dcp > 1 and any(spec.kind in WINDOWS for spec in specs.values()):
        return Failure("invalid", WINDOW_UNDER_DCP)
    parted = _parted_from_source(model, resolved)
    if parted is not None:
        return parted
    groups = group_layers(_strands(counts, specs), _grouping(caches, resolved, engine))
    if isinstance(groups, Failure):
        return groups
    layout = word(engine, "kv.packed_blocks") if is_packed(groups) else "overlaid"
    checked = word(engine, "kv.packed_check") if is_packed(groups) else layout
    stages = range(resolved.pipeline_parallel)
    batches = resolved.max_concurrent_batches if on(engine, "kv.windows_hold_batches") else 1
    return Pool(
        groups=groups,
        block_bytes=tuple(_block_bytes(groups, stage, layout) for stage in stages),
        checked_bytes=tuple(_block_bytes(groups, stage, checked) for stage in stages),
        in_flight=batches * resolved.max_num_batched_tokens,
        encoder_tokens=resolved.max_num_batched_tokens,
        context_parallel=dcp,
        by_bytes=layout != "overlaid",
    )


def _block_bytes(groups: Sequence[Group], stage: int, layout: str) -> int:
    """What a block costs on a stage: the widest group's pages, padded to what every layer wants of the distance."""
    if layout == "tuples":
        return tuple_bytes(groups, stage)
    if layout == "slots":
        return slot_bytes(groups, stage)
    widest = max((group.block_bytes(stage) for group in groups), default=0)
    stride = lcm(*(member.spec.stride for group in groups for member in group.members))
    return -(-widest // stride) * stride


def _parted_from_source(model: Model, resolved: Resolved) -> Failure | None:
    """Layers that read another layer's cache must stand on its stage (models/deepseek_v41/attention.py)."""
    for stage in stage_layers(model.layers, resolved.pipeline_parallel):
        for layer in stage:
            source = model.groups[model.pattern[layer]].source
            if source is not None and source < stage.start:
                return Failure("invalid", PARTED.format(f"{model.layer_prefix}.{source}.attn"))
    return None


def _count_caches(model: Model, resolved: Resolved) -> dict[Cache, tuple[int, ...]]:
    """Every distinct cache in layer order, with its number of layers on each stage. Draft layers stand on the last."""
    stages = stage_layers(model.layers, resolved.pipeline_parallel)
    tallies = [Counter(model.pattern[stage.start : stage.stop]) for stage in stages]
    groups = [(model.groups[index], tuple(tally[index] for tally in tallies)) for index in dict.fromkeys(model.pattern)]
    last = (*[0] * (resolved.pipeline_parallel - 1), 1)
    groups += [(group, last) for group in draft_layers(model, resolved)]
    counts: dict[Cache, tuple[int, ...]] = {}
    for group, layers in groups:
        for cache in _held(group.caches, resolved):
            known = counts.get(cache)
            counts[cache] = layers if known is None else tuple(map(sum, zip(known, layers, strict=True)))
    return counts


def _held(caches: Sequence[Cache], resolved: Resolved) -> Sequence[Cache]:
    """The caches of one layer. v0 gives every decoder layer one, in which cross-attention has blocks of its own.

    Source: vLLM 0.8.5 worker/cache_engine.py::CacheEngine.get_cache_block_size, utils.py::bind_kv_cache.
    """
    if resolved.runner != "v0":
        return caches
    crossing = (FullAttention(c.kv_heads, c.head_dim) if isinstance(c, CrossAttention) else c for c in caches)
    return tuple(dict.fromkeys(crossing))


def _strands(counts: dict[Cache, tuple[int, ...]], specs: dict[Cache, LayerSpec]) -> list[Strand]:
    """Caches with equal specs are one strand."""
    strands: dict[LayerSpec, Strand] = {}
    for cache, layers in counts.items():
        spec = specs[cache]
        strand = Strand(spec, layers)
        strands[spec] = strands[spec].joined(strand) if spec in strands else strand
    return list(strands.values())


def _grouping(caches: Sequence[Cache], resolved: Resolved, engine: EngineVersion) -> Grouping:
    """Only DeepSeek-V4's indexer asks for blocks that hold all layers' pages side by side."""
    compressed = any(isinstance(cache, Indexer) and cache.ratio > 1 for cache in caches)
    chunked = any(isinstance(cache, ChunkedLocal) for cache in caches)
    reads_states = resolved.speculative_method in READS_STATES  # config/vllm.py: not with chunks either
    grouped = on(engine, "kv.chunked_local_grouped") and not reads_states
    apart = on(engine, "kv.hybrid_manager") and (not chunked or grouped)
    return Grouping(
        hybrid_manager=resolved.hybrid_kv_manager and apart,
        block_outermost=compressed,
        stretch=ratio(engine, "kv.group_stretch"),
    )


def blocks_for(tokens: int, block_size: int) -> int:
    """Blocks that hold a number of tokens."""
    return -(-tokens // block_size)
