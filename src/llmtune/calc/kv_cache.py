"""The KV cache plan: blocks, tokens and concurrency that the engine will print, or the refusal it will raise.

The memory left on each pipeline stage is divided by what one block costs there; the stage with the fewest blocks
decides. A request of ``max_model_len`` tokens holds blocks in every group of layers.
Source: vLLM 0.33.0, ``v1/core/kv_cache_planning.py::get_kv_cache_configs``, ``_check_enough_kv_cache_memory``,
``_estimate_max_model_len_from_groups`` and ``v1/core/kv_cache_utils.py::get_kv_cache_capacity``.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from llmtune.calc.kv_groups import Grouping, group_layers
from llmtune.calc.kv_specs import CHUNKED, CROSS, STATE, WINDOW, WINDOW_LATENT, LayerSpec, layer_specs
from llmtune.calc.kv_strands import Group, Strand
from llmtune.calc.stages import stage_layers
from llmtune.spec.memory import Failure, KvCache, KvGroup
from llmtune.spec.model import ChunkedLocal, Indexer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from llmtune.spec.deployment import Resolved
    from llmtune.spec.engine import EngineVersion
    from llmtune.spec.hardware import Gpu
    from llmtune.spec.model import Cache, Model

GIB = 2**30
ENGINE_TYPES = {
    "full_attention": "FullAttentionSpec",
    "mla_attention": "MLAAttentionSpec",
    "sliding_window": "SlidingWindowSpec",
    "sliding_window_mla": "SlidingWindowMLASpec",
    "chunked_local_attention": "ChunkedLocalAttentionSpec",
    "cross_attention": "CrossAttentionSpec",
    "mamba": "MambaSpec",
}
MIXED_TYPE = "UniformTypeKVCacheSpecs"
NO_MEMORY = (
    "No available memory for the cache blocks. Try increasing `gpu_memory_utilization` when initializing the engine "
    "(this flag also controls CPU memory reservation on the CPU backend, despite its name). See "
    "https://docs.vllm.ai/en/latest/configuration/conserving_memory/ for more details."
)
NO_FIT = (
    "Cannot auto-fit max_model_len: not enough GPU memory available to serve even a single token. Try increasing "
    "`gpu_memory_utilization`."
)
WINDOW_UNDER_DCP = "DCP not support sliding window."
FULL_GRAPHS = frozenset({"full", "full_decode_only", "full_and_piecewise"})


@dataclass(frozen=True, slots=True)
class Pool:
    """A model's groups and what decides how many blocks a request holds in each.

    ``block_bytes`` of one block on each pipeline stage; ``in_flight`` tokens may be scheduled and not yet settled.
    """

    groups: tuple[Group, ...]
    block_bytes: tuple[int, ...]
    in_flight: int
    batched: int
    context_parallel: int

    def blocks_held(self, group: Group, length: int) -> int:
        """Blocks that a request of ``length`` tokens holds in a group."""
        return max(self._blocks(member.spec, length) for member in group.members)

    def request_blocks(self, length: int) -> int:
        """Blocks that a request of ``length`` tokens holds in all groups."""
        return sum(self.blocks_held(group, length) for group in self.groups)

    def _blocks(self, spec: LayerSpec, length: int) -> int:
        """Source: ``max_memory_usage_bytes`` of each spec in ``v1/kv_cache_interface.py``."""
        match spec.kind:
            case kind if kind in {WINDOW, WINDOW_LATENT}:
                return _blocks(min(spec.window - 1 + self.in_flight, length), spec.block_size) + 1
            case kind if kind == CHUNKED:
                return _blocks(min(spec.window + self.in_flight, length), spec.block_size)
            case kind if kind == CROSS:
                return _blocks(self.batched, spec.block_size)
            case kind if kind == STATE:
                return spec.blocks + (_blocks(length, spec.block_size) if spec.every_block else 0)
            case _:
                return _blocks(_blocks(length, self.context_parallel), spec.block_size)


def plan_kv_cache(
    model: Model, resolved: Resolved, *, gpu: Gpu, engine: EngineVersion, available: int | Sequence[int]
) -> KvCache | Failure:
    """What the engine makes of ``available`` bytes of KV cache memory per GPU (one number, or one a pipeline stage).

    Worked example (Llama-3.1-8B, 10 GiB, length 131072): 32 layers x 65,536 bytes = 2 MiB a block of 16 tokens, 5120
    blocks, 8192 for a request: it does not fit, and 81,904 tokens would.
    """
    pool = describe_pool(model, resolved, gpu=gpu, engine=engine)
    if isinstance(pool, Failure):
        return pool
    if not pool.groups:
        return KvCache((), 0, 1, 0, 0.0, 0, 0, 0, resolved.max_model_len)
    memory = _stage_memory(pool, resolved, available)
    usable = _usable(pool, memory, engine)
    length = resolved.max_model_len
    if resolved.auto_max_model_len:
        length = _longest(pool, usable, length)
        if length <= 0:
            return Failure("kv_cache", NO_FIT)
    refusal = _refuse(pool, usable, length, engine)
    if refusal is not None:
        return refusal
    return _describe(pool, memory, length, resolved, engine=engine)


def largest_max_model_len(
    model: Model, resolved: Resolved, *, gpu: Gpu, engine: EngineVersion, available: int | Sequence[int]
) -> int:
    """The longest ``max_model_len`` up to the resolved one that the memory holds; 0 when none does."""
    pool = describe_pool(model, resolved, gpu=gpu, engine=engine)
    if isinstance(pool, Failure):
        return 0
    if not pool.groups:
        return resolved.max_model_len
    memory = _stage_memory(pool, resolved, available)
    return _longest(pool, _usable(pool, memory, engine), resolved.max_model_len)


def refuse_graph_capture(kv: KvCache, resolved: Resolved, engine: EngineVersion) -> Failure | None:
    """Why CUDA graphs of recurrent layers cannot be captured: every sequence of a decode batch needs a block.

    Source: ``config/compilation.py::resolve_cudagraph_mode_and_sizes``.
    """
    recurrent = any(group.kind == STATE for group in kv.groups)
    graphs = not resolved.enforce_eager and resolved.cudagraph_mode in FULL_GRAPHS
    if not (engine.behaviour["kv.state_blocks_limit_requests"] and recurrent and graphs):
        return None
    if resolved.max_num_seqs <= kv.num_blocks:
        return None
    return Failure(
        "kv_cache",
        f"max_num_seqs ({resolved.max_num_seqs}) exceeds available Mamba cache blocks ({kv.num_blocks}). Each decode "
        "sequence requires one Mamba cache block, so CUDA graph capture cannot proceed. Please lower max_num_seqs to "
        f"at most {kv.num_blocks} or increase gpu_memory_utilization.",
    )


def describe_pool(model: Model, resolved: Resolved, *, gpu: Gpu, engine: EngineVersion) -> Pool | Failure:
    """The groups of a model's layers under the resolved settings, or why the engine refuses the combination."""
    counts = _count_caches(model, resolved)
    caches = tuple(counts)
    specs = layer_specs(caches, model, resolved, gpu=gpu, behaviour=engine.behaviour)
    if isinstance(specs, Failure):
        return specs
    dcp = resolved.decode_context_parallel
    if dcp > 1 and any(spec.kind in {WINDOW, WINDOW_LATENT} for spec in specs.values()):
        return Failure("invalid", WINDOW_UNDER_DCP)
    groups = group_layers(_strands(counts, specs), _grouping(caches, resolved, engine))
    if isinstance(groups, Failure):
        return groups
    stages = range(resolved.pipeline_parallel)
    batches = resolved.max_concurrent_batches if engine.behaviour["kv.windows_hold_batches"] else 1
    return Pool(
        groups=groups,
        block_bytes=tuple(max((group.block_bytes(stage) for group in groups), default=0) for stage in stages),
        in_flight=batches * resolved.max_num_batched_tokens,
        batched=resolved.max_num_batched_tokens,
        context_parallel=dcp,
    )


def _count_caches(model: Model, resolved: Resolved) -> dict[Cache, tuple[int, ...]]:
    """Every distinct cache in layer order, with its number of layers on each stage. Draft layers stand on the last."""
    stages = stage_layers(model.layers, resolved.pipeline_parallel)
    tallies = [Counter(model.pattern[stage.start : stage.stop]) for stage in stages]
    groups = [(model.groups[index], tuple(tally[index] for tally in tallies)) for index in dict.fromkeys(model.pattern)]
    if resolved.speculative_tokens:
        last = (*[0] * (resolved.pipeline_parallel - 1), 1)
        groups += [(group, last) for group in model.draft]
    counts: dict[Cache, tuple[int, ...]] = {}
    for group, layers in groups:
        for cache in group.caches:
            known = counts.get(cache)
            counts[cache] = layers if known is None else tuple(map(sum, zip(known, layers, strict=True)))
    return counts


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
    apart = bool(engine.behaviour["kv.hybrid_manager"]) and (
        not chunked or bool(engine.behaviour["kv.chunked_local_grouped"])
    )
    stretch = engine.behaviour["kv.group_stretch"]
    return Grouping(
        hybrid_manager=resolved.hybrid_kv_manager and apart,
        block_outermost=compressed,
        stretch=float(stretch) if isinstance(stretch, int | float) else 1.0,
    )


def _stage_memory(pool: Pool, resolved: Resolved, available: int | Sequence[int]) -> list[int]:
    """Bytes for the cache on each stage. ``--num-gpu-blocks-override`` replaces what was measured."""
    if resolved.num_gpu_blocks_override is not None:
        return [resolved.num_gpu_blocks_override * block for block in pool.block_bytes]
    return [available] * len(pool.block_bytes) if isinstance(available, int) else list(available)


def _usable(pool: Pool, memory: Sequence[int], engine: EngineVersion) -> list[int]:
    """Bytes that requests can use: newer releases set one block aside before they check."""
    if not engine.behaviour["kv.null_block_reserved"]:
        return list(memory)
    return [stage - block for stage, block in zip(memory, pool.block_bytes, strict=True)]


def _longest(pool: Pool, usable: Sequence[int], limit: int) -> int:
    """Binary search for the longest request that fits on every stage; 0 when not even one token does."""
    room = min(memory // block for memory, block in zip(usable, pool.block_bytes, strict=True) if block)
    low, high = 0, limit
    while low < high:
        middle = (low + high + 1) // 2
        if pool.request_blocks(middle) <= room:
            low = middle
        else:
            high = middle - 1
    return low


def _refuse(pool: Pool, usable: Sequence[int], length: int, engine: EngineVersion) -> Failure | None:
    """The refusal of the first stage on which one request does not fit."""
    blocks = pool.request_blocks(length)
    for memory, block in zip(usable, pool.block_bytes, strict=True):
        if memory <= 0:
            return Failure("kv_cache", NO_MEMORY)
        if blocks * block <= memory:
            continue
        if engine.behaviour["kv.refusal"] == "tokens":
            return Failure("kv_cache", _too_long_in_tokens(length, memory // block * pool.groups[0].spec.block_size))
        return Failure("kv_cache", _too_long(length, blocks * block, memory, _longest(pool, [memory], length)))
    return None


def _too_long(length: int, needed: int, memory: int, longest: int) -> str:
    estimate = ""
    if longest > 0:
        estimate = f"Based on the available memory, the estimated maximum model length is {longest}. "
    return (
        f"To serve at least one request with the model's max seq len ({length}), ({_gib(needed)} GiB KV cache is "
        f"needed, which is larger than the available KV cache memory ({_gib(memory)} GiB). {estimate}Try increasing "
        "`gpu_memory_utilization` (which also controls CPU memory on the CPU backend) or decreasing `max_model_len` "
        "when initializing the engine. See https://docs.vllm.ai/en/latest/configuration/conserving_memory/ for more "
        "details."
    )


def _too_long_in_tokens(length: int, tokens: int) -> str:
    return (
        f"The model's max seq len ({length}) is larger than the maximum number of tokens that can be stored in KV "
        f"cache ({tokens}). Try increasing `gpu_memory_utilization` or decreasing `max_model_len` when initializing "
        "the engine."
    )


def _describe(pool: Pool, memory: Sequence[int], length: int, resolved: Resolved, *, engine: EngineVersion) -> KvCache:
    """The plan; groups as the first stage has them."""
    num_blocks = min(stage // block for stage, block in zip(memory, pool.block_bytes, strict=True) if block)
    blocks = pool.request_blocks(length)
    smallest = min(group.spec.block_size for group in pool.groups)
    concurrency = num_blocks / blocks
    tokens = int(concurrency * length)
    if engine.behaviour["kv.tokens"] == "blocks":
        tokens = num_blocks // len(pool.groups) * smallest * resolved.decode_context_parallel
    return KvCache(
        groups=tuple(_describe_group(pool, group, length) for group in pool.groups),
        bytes_per_block=pool.block_bytes[0],
        num_blocks=num_blocks,
        tokens=tokens,
        max_concurrency=concurrency,
        block_size=smallest,
        blocks_per_request=blocks,
        needed_bytes=blocks * max(pool.block_bytes),
        max_model_len=length,
    )


def _describe_group(pool: Pool, group: Group, length: int) -> KvGroup:
    return KvGroup(
        kind=group.spec.kind,
        layers=group.layers(0),
        page_bytes=group.page_bytes(0),
        block_size=group.spec.block_size,
        blocks_per_request=pool.blocks_held(group, length),
        engine_type=MIXED_TYPE if group.mixed else ENGINE_TYPES[group.spec.kind],
    )


def _blocks(tokens: int, block_size: int) -> int:
    return -(-tokens // block_size)


def _gib(size: int) -> float:
    """As the engine prints GiB: two decimals, trailing zeros dropped (``utils/mem_utils.py::format_gib``)."""
    return round(size / GIB, 2)
