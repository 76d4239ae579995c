"""What a GPU's memory is spent on, what is left for the KV cache, and whether the engine starts.

    budget    = ceil(total x gpu-memory-utilization)
    KV cache  = budget - weights - activations - persistent buffers - non-torch - CUDA graphs

for every pipeline stage; the stage that holds the fewest blocks decides and is the one that is described. Weights and
KV cache are computed as the engine computes them; the other parts are estimates with an interval, and the interval
of the KV cache follows from theirs. What lies outside the budget (CUDA context, graphs of older releases) still takes
memory and is listed. A negative ``unused`` is what is missing.
Source: vLLM 0.33.0 v1/worker/utils.py::request_memory, v1/worker/gpu_worker.py::determine_available_memory.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from llmtune.calc.doubt import doubt_of, risks_of, short_of
from llmtune.calc.errors import Refused
from llmtune.calc.kv_cache import largest_max_model_len, needed_bytes, plan_kv_cache, refuse_graph_capture
from llmtune.calc.kv_pool import describe_pool
from llmtune.calc.resolve import length_limit
from llmtune.calc.settings import Settings
from llmtune.calc.shares import Site, fullest_of, memory_budget, share_of
from llmtune.calc.sharing import OTHERS
from llmtune.calc.start_up import OUT_OF_MEMORY, out_of_memory, refuse_cache, refuse_free_memory
from llmtune.calc.validity import check
from llmtune.calc.weights import weigh
from llmtune.spec.memory import Failure, KvCache, Memory, Part

SPLIT = "weights-split"  # the check of weights that cannot be split over this many ranks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from llmtune.calc.shares import Share
    from llmtune.spec.calibration import Corrections
    from llmtune.spec.deployment import Deployment, Resolved
    from llmtune.spec.engine import EngineVersion
    from llmtune.spec.hardware import Hardware
    from llmtune.spec.model import Model


def estimate_memory(
    deployment: Deployment,
    model: Model,
    resolved: Resolved,
    hardware: Hardware,
    engine: EngineVersion,
    *,
    corrections: Corrections | None = None,
) -> Memory:
    """The memory plan of the fullest rank.

    Example:
        Qwen3-8B on one H100 (79.19 GiB) under 0.19.0 with utilization 0.95: budget 75.23, weights 15.26, activations
        2.20, non-torch 0.25, persistent buffers 0.01, KV cache 57.5 GiB (measured: 57.50). Graphs lie outside.

    """
    site = Site(deployment, model, resolved, hardware, engine, corrections)
    failure = check(deployment, model, resolved, hardware, engine)
    if failure is not None:
        return _refused(site, failure)
    try:
        weights = weigh(model, resolved, hardware.gpu)
    except Refused as refusal:
        return _refused(site, Failure(refusal.kind, refusal.engine_message, SPLIT))
    shares = [share_of(site, of_stage) for of_stage in weights]
    available = [share.available for share in shares]
    gpu = hardware.gpu
    plan = plan_kv_cache(model, resolved, gpu=gpu, engine=engine, available=available)
    pool = describe_pool(model, resolved, gpu=gpu, engine=engine)
    blocks = (0,) * len(shares) if isinstance(pool, Failure) else pool.block_bytes
    fullest = fullest_of(shares, blocks)
    kv = plan if isinstance(plan, KvCache) else None
    parts = _parts(site, fullest, kv, block_bytes=blocks[fullest.stage])
    failure = _failure(site, fullest, plan, cache=parts[1].low)
    missing = -parts[-1].bytes if failure is None else 0
    if missing > fullest.charged[1].bytes:  # the profile run's memory is free again when graphs are captured
        failure = Failure("cuda_graphs", OUT_OF_MEMORY)
    needed = 0 if isinstance(pool, Failure) else needed_bytes(pool, resolved, engine, stage=fullest.stage)
    return Memory(
        total=gpu.total_memory,
        budget=memory_budget(gpu.total_memory, resolved, engine),
        parts=parts,
        kv_low=max(0, fullest.low),
        kv_high=max(0, fullest.high),
        kv=kv,
        failure=failure,
        max_model_len_that_fits=_longest(site, available),
        rank=fullest.stage * resolved.tensor_parallel,
        stage_weights=tuple(of_stage.bytes for of_stage in weights),
        kv_available=fullest.available,
        doubt=_doubt(fullest, plan, failure, needed=needed) or short_of(parts, missing),
        risks=risks_of(model, resolved, engine, peak=fullest.charged[1].bytes, unused=parts[-1].bytes),
    )


def _doubt(share: Share, plan: KvCache | Failure, failure: Failure | None, *, needed: int) -> str:
    if failure is not None and failure is not plan and failure.kind != "weights":
        return ""  # no size of the KV cache prevents it
    return doubt_of(share.charged, low=share.low, high=share.high, needed=needed, failure=failure)


def _parts(site: Site, share: Share, kv: KvCache | None, *, block_bytes: int) -> tuple[Part, ...]:
    """The parts, largest memory first in the order people expect, and what is left; they sum to the total."""
    cache = kv.num_blocks * block_bytes if kv is not None else max(0, share.available)
    low, high = (block_bytes * max(0, size // block_bytes) if block_bytes else 0 for size in (share.low, share.high))
    if site.resolved.num_gpu_blocks_override is not None:
        low = high = cache
    found = {"KV cache": Part("KV cache", cache, _kv_why(site, kv), min(low, cache), max(high, cache))}
    for part in (*share.charged, *share.outside):
        found[part.name] = _joined(found[part.name], part) if part.name in found else part
    total = site.hardware.gpu.total_memory
    found["CUDA graphs"] = _squeezed(found, total)
    order = ("weights", "KV cache", "activations", "persistent buffers", "CUDA graphs", "non-torch", OTHERS)
    parts = [found[name] for name in order if name != OTHERS or found[name].high]
    left = total - sum(part.bytes for part in parts)
    why = _unused_why(site, left, caches=kv is None or bool(kv.groups))
    return (*parts, Part("unused", left, why, left, left))


def _unused_why(site: Site, left: int, *, caches: bool) -> str:
    if left < 0:
        return "missing"
    return f"outside the budget of {100 * site.resolved.gpu_memory_utilization:.3g}%" if caches else "no cache takes it"


def _squeezed(found: dict[str, Part], total: int) -> Part:
    """Graphs that are captured outside the budget can take no more than what is there."""
    graphs = found["CUDA graphs"]
    others = sum(part.bytes for part in found.values()) - graphs.bytes
    room = total - others
    if graphs.bytes <= room or room < graphs.low:
        return graphs
    return replace(graphs, bytes=room, why=f"{graphs.why}; hardly any room is left for them")


def _joined(one: Part, other: Part) -> Part:
    if not other.high:
        return one
    why = other.why if not one.bytes else f"{one.why}; outside the budget: {other.why}"
    return Part(one.name, one.bytes + other.bytes, why, one.low + other.low, one.high + other.high)


def _kv_why(site: Site, kv: KvCache | None) -> str:
    if kv is None:
        return "too little"
    if not kv.groups:
        return "this model caches nothing"
    said = "as --kv-cache-memory-bytes says: " if site.resolved.kv_cache_memory is not None else ""
    return f"{said}{kv.tokens} tokens; {kv.max_concurrency:.2f} requests of {kv.max_model_len}"


def _failure(site: Site, share: Share, plan: KvCache | Failure, *, cache: int) -> Failure | None:
    """What goes wrong first, in the order of the engine's start; ``cache`` is the least the KV cache takes."""
    total = site.hardware.gpu.total_memory
    refusal = refuse_free_memory(site.resolved, site.hardware, site.engine)
    if refusal is None:
        taken = sum(part.low for part in (*share.charged, *share.outside) if part.name == OTHERS)
        outside = taken + sum(part.low for part in share.outside[:2])
        refusal = out_of_memory(share.charged, total, outside=outside)
        if refusal is None and isinstance(plan, KvCache):
            graphs = sum(part.low for part in (*share.charged, *share.outside) if part.name == "CUDA graphs")
            refusal = refuse_cache(share.charged, cache, total - outside, graphs=graphs)
    if refusal is not None:
        return refusal
    if isinstance(plan, KvCache):
        return refuse_graph_capture(plan, site.resolved, site.engine)
    budget = memory_budget(site.hardware.gpu.total_memory, site.resolved, site.engine)
    if plan.kind == "kv_cache" and site.resolved.kv_cache_memory is None and share.charged[0].bytes > budget:
        return Failure("weights", plan.engine_message)
    return plan


def _longest(site: Site, available: Sequence[int]) -> int | None:
    """The longest context that fits, up to what the model allows; None when none does."""
    limit = length_limit(Settings(site.deployment), site.model, site.engine)
    resolved = replace(site.resolved, max_model_len=max(limit, site.resolved.max_model_len))
    found = largest_max_model_len(site.model, resolved, gpu=site.hardware.gpu, engine=site.engine, available=available)
    return found or None


def _refused(site: Site, failure: Failure) -> Memory:
    """A deployment that is refused before anything is loaded: nothing is used."""
    total = site.hardware.gpu.total_memory
    return Memory(
        total=total,
        budget=memory_budget(total, site.resolved, site.engine),
        parts=(Part("unused", total, "the engine does not start", total, total),),
        kv_low=0,
        kv_high=0,
        kv=None,
        failure=failure,
        max_model_len_that_fits=None,
    )
