"""The KV cache plan: blocks, tokens and concurrency that the engine will print, or the refusal it will raise.

The memory left on each pipeline stage is divided by what one block costs there; the stage with the fewest blocks
decides. A request of ``max_model_len`` tokens holds blocks in every group of layers.
Source: vLLM 0.33.0, ``v1/core/kv_cache_planning.py::get_kv_cache_configs``, ``_check_enough_kv_cache_memory``,
``_estimate_max_model_len_from_groups`` and ``v1/core/kv_cache_utils.py::get_kv_cache_capacity``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.calc.kv_pool import Pool, describe_pool
from llmtune.calc.kv_refusals import NO_FIT, NO_MEMORY, too_long, too_long_in_tokens, too_many_requests
from llmtune.calc.kv_specs import CHUNKED, CROSS, FULL, LATENT, RING, STATE, WINDOW, WINDOW_LATENT
from llmtune.calc.switches import on, word
from llmtune.spec.memory import Failure, KvCache, KvGroup

if TYPE_CHECKING:
    from collections.abc import Sequence

    from llmtune.calc.kv_strands import Group
    from llmtune.spec.deployment import Resolved
    from llmtune.spec.engine import EngineVersion
    from llmtune.spec.hardware import Gpu
    from llmtune.spec.model import Model

ENGINE_TYPES = {
    FULL: "FullAttentionSpec",
    LATENT: "MLAAttentionSpec",
    WINDOW: "SlidingWindowSpec",
    WINDOW_LATENT: "SlidingWindowMLASpec",
    CHUNKED: "ChunkedLocalAttentionSpec",
    CROSS: "CrossAttentionSpec",
    STATE: "MambaSpec",
    RING: "CircularBufferSpec",
}
MIXED_TYPE = "UniformTypeKVCacheSpecs"
FULL_GRAPHS = frozenset({"full", "full_decode_only", "full_and_piecewise"})


def plan_kv_cache(
    model: Model, resolved: Resolved, *, gpu: Gpu, engine: EngineVersion, available: int | Sequence[int]
) -> KvCache | Failure:
    """What the engine makes of ``available`` bytes of KV cache memory per GPU (one number, or one a pipeline stage).

    Worked example (Llama-3.1-8B, 10 GiB, length 131072): 32 layers x 65,536 bytes = 2 MiB a block of 16 tokens, 5120
    blocks, 8192 for a request: it does not fit, and 81,904 tokens would.
    """
    pool = describe_pool(model, resolved, gpu=gpu, engine=engine)
    return pool if isinstance(pool, Failure) else plan_in_pool(pool, resolved, engine=engine, available=available)


def plan_in_pool(
    pool: Pool, resolved: Resolved, *, engine: EngineVersion, available: int | Sequence[int]
) -> KvCache | Failure:
    """The plan of a pool that is already described: the same model and settings with other memory."""
    length = resolved.max_model_len
    if not pool.groups:
        return KvCache((), 0, 1, 0, 0.0, 0, 0, 0, length)
    memory = _stage_memory(pool, resolved, available)
    usable = _usable(pool, memory, engine)
    if resolved.auto_max_model_len:
        length = pool.longest(usable, length)
        if length <= 0:
            return Failure("kv_cache", NO_FIT)
    in_tokens = resolved.runner == "v0" or word(engine, "kv.refusal") == "tokens"
    refusal = _refuse(pool, usable, length, in_tokens=in_tokens)
    return refusal if refusal is not None else _describe(pool, memory, length, engine=engine)


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
    return pool.longest(_usable(pool, memory, engine), resolved.max_model_len)


def refuse_graph_capture(kv: KvCache, resolved: Resolved, engine: EngineVersion) -> Failure | None:
    """Why CUDA graphs of recurrent layers cannot be captured, which stops the engine after it has planned the cache."""
    recurrent = any(group.kind == STATE for group in kv.groups)
    graphs = not resolved.enforce_eager and resolved.cudagraph_mode in FULL_GRAPHS
    if not (recurrent and graphs and on(engine, "kv.state_blocks_limit_requests")):
        return None
    if resolved.max_num_seqs <= kv.num_blocks:
        return None
    return Failure("kv_cache", too_many_requests(resolved.max_num_seqs, kv.num_blocks))


def needed_bytes(pool: Pool, resolved: Resolved, engine: EngineVersion, *, stage: int) -> int:
    """What a stage's cache must have for one request of max_model_len, and for the block that is set aside."""
    length = 1 if resolved.auto_max_model_len else resolved.max_model_len
    blocks = pool.request_blocks(length) + on(engine, "kv.null_block_reserved")
    return blocks * pool.checked_bytes[stage] if pool.groups else 0


def _stage_memory(pool: Pool, resolved: Resolved, available: int | Sequence[int]) -> list[int]:
    """Bytes for the cache on each stage. ``--num-gpu-blocks-override`` replaces what was measured."""
    if resolved.num_gpu_blocks_override is not None:
        return [resolved.num_gpu_blocks_override * block for block in pool.block_bytes]
    return [available] * len(pool.block_bytes) if isinstance(available, int) else list(available)


def _usable(pool: Pool, memory: Sequence[int], engine: EngineVersion) -> list[int]:
    """Bytes that requests can use: newer releases set one block aside before they check."""
    if not on(engine, "kv.null_block_reserved"):
        return list(memory)
    return [stage - block for stage, block in zip(memory, pool.block_bytes, strict=True)]


def _refuse(pool: Pool, usable: Sequence[int], length: int, *, in_tokens: bool) -> Failure | None:
    """The refusal of the first stage on which one request does not fit."""
    blocks = pool.request_blocks(length)
    for memory, block in zip(usable, pool.checked_bytes, strict=True):
        if not block:  # a stage without a cache needs no memory for one
            continue
        if memory <= 0:
            return Failure("kv_cache", NO_MEMORY)
        if blocks * block <= memory:
            continue
        if in_tokens:
            tokens = memory // block * pool.groups[0].spec.block_size
            return Failure("kv_cache", too_long_in_tokens(length, tokens))
        longest = pool.longest_within(memory // block, length)
        return Failure("kv_cache", too_long(length, needed=blocks * block, memory=memory, longest=longest))
    return None


def _describe(pool: Pool, memory: Sequence[int], length: int, *, engine: EngineVersion) -> KvCache:
    """The plan; groups as the first stage has them."""
    num_blocks = min(stage // block for stage, block in zip(memory, pool.block_bytes, strict=True) if block)
    groups = tuple(_describe_group(pool, group, length) for group in pool.groups)
    blocks = sum(group.blocks_per_request for group in groups)
    cached = [group.spec.block_size for group in pool.groups if group.spec.cached]
    smallest = min(cached or [group.block_size for group in groups])
    concurrency = num_blocks / pool.counted_blocks(length)
    tokens = int(concurrency * length)
    if word(engine, "kv.tokens") == "blocks":
        tokens = num_blocks // len(groups) * smallest * pool.context_parallel
    return KvCache(
        groups=groups,
        bytes_per_block=pool.block_bytes[0],
        num_blocks=num_blocks,
        tokens=tokens,
        max_concurrency=concurrency,
        block_size=smallest,
        blocks_per_request=blocks,
        needed_bytes=blocks * max(pool.checked_bytes),
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
