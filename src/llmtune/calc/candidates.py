"""One candidate: a layout and a KV dtype, completed to a deployment, with its memory plan.

    max_model_len   what the workload needs, bounded by the model; shortened only when the GPU cannot hold it
    max_num_seqs    the workload's concurrency, bounded by what the KV cache holds and by the scenario
    utilization     the scenario's, lowered until headroom, other tenants and memory outside the budget have room

``max_num_seqs`` sizes the sampler's buffers, so the plan is computed twice: once to see the room, once with the choice.
"""

from __future__ import annotations

from dataclasses import replace
from math import ceil, floor
from typing import TYPE_CHECKING

from llmtune.calc.kv_cache import largest_max_model_len
from llmtune.calc.kv_pool import describe_pool
from llmtune.calc.memory import estimate_memory
from llmtune.calc.resolve import resolve
from llmtune.calc.runner import AMPERE
from llmtune.calc.shares import Site
from llmtune.calc.sharing import highest_share
from llmtune.calc.switches import on, words
from llmtune.spec.deployment import Deployment, Setting
from llmtune.spec.memory import Failure
from llmtune.spec.record import dataclass

if TYPE_CHECKING:
    from llmtune.calc.layouts import Layout
    from llmtune.spec.calibration import Corrections, Record
    from llmtune.spec.deployment import Resolved, Value
    from llmtune.spec.engine import EngineVersion
    from llmtune.spec.hardware import Hardware
    from llmtune.spec.memory import Memory
    from llmtune.spec.model import Model
    from llmtune.spec.scenario import Scenario

LENGTH_STEP = 1024  # lengths are rounded up to this: nobody reads 3,917 in a config
SEQS_STEP = 8  # CUDA graphs are captured at multiples of 8
SHARE_STEP = 0.01


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked: a model on hardware under a release, for a scenario, with settings that must stay."""

    model: Model
    hardware: Hardware
    engine: EngineVersion
    scenario: Scenario
    pinned: tuple[Setting, ...] = ()
    records: tuple[Record, ...] = ()  # measured start-ups that may correct the plans
    risk: str = "low"  # low: the low end of the KV cache's interval must do; even: its expected size

    def pin(self, flag: str) -> Value:
        """The value the user insists on, None where the choice is free."""
        return next((setting.value for setting in reversed(self.pinned) if setting.flag == flag), None)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A completed candidate. ``holds`` typical requests fit at once, over all replicas, in ``room`` bytes of cache.

    ``room`` is the low end of the KV cache's interval, or its expected size where an even risk is taken.
    """

    layout: Layout
    deployment: Deployment
    resolved: Resolved
    memory: Memory
    room: int
    holds: float

    @property
    def starts(self) -> bool:
        """Whether it fits with the risk that is taken."""
        kv = self.memory.kv
        if not self.memory.fits or kv is None:
            return False
        return not kv.groups or self.room >= kv.needed_bytes + kv.bytes_per_block


def assess(request: Request, layout: Layout, values: dict[str, Value]) -> Candidate:
    """The memory plan of a request with these settings."""
    settings = {**_layout_settings(layout, request), **values}
    settings |= {setting.flag: setting.value for setting in request.pinned}
    deployment = Deployment(
        model=request.model.id,
        settings=tuple(Setting(flag, value) for flag, value in settings.items()),
        engine_version=request.engine.release,
        hardware=request.hardware,
    )
    resolved = resolve(deployment, request.model, request.hardware, request.engine)
    site = Site(deployment, request.model, resolved, request.hardware, request.engine)
    corrections = _corrections(request, site)
    memory = estimate_memory(
        deployment, request.model, resolved, request.hardware, request.engine, corrections=corrections
    )
    room = memory.kv_low if request.risk == "low" else max(0, memory.kv_available)
    return Candidate(layout, deployment, resolved, memory, room, _held(request, layout, resolved, memory, room=room))


def _corrections(request: Request, site: Site) -> Corrections | None:
    if not request.records:
        return None
    from llmtune.calc.calibration import find_corrections  # noqa: PLC0415 - only for those who have records

    return find_corrections(request.records, site)


def complete(request: Request, layout: Layout, kv_dtype: str) -> Candidate:
    """The candidate with length, concurrency and utilisation chosen."""
    policy = request.scenario.policy
    values: dict[str, Value] = {"max-model-len": needed_length(request)}
    if kv_dtype != "auto":
        values["kv-cache-dtype"] = kv_dtype
    if policy.max_num_batched_tokens is not None:
        values["max-num-batched-tokens"] = policy.max_num_batched_tokens
    values |= demanded_settings(request)
    share = choose_share(request, layout)
    if share is not None:
        values["gpu-memory-utilization"] = share
    values["max-num-seqs"] = _bounded(ceil(request.scenario.workload.concurrency / layout.data), policy.max_num_seqs)
    first = assess(request, layout, values)
    if _cuts_off(first, values):
        values["max-num-batched-tokens"] = first.resolved.max_model_len
        first = assess(request, layout, values)
    values["max-num-seqs"] = choose_seqs(request, first)
    return _within_gpu(request, layout, values)


def demanded_settings(request: Request) -> dict[str, Value]:
    """Settings without which the engine does not load this checkpoint."""
    model, engine = request.model, request.engine
    values: dict[str, Value] = {}
    if model.quantization in words(engine, "quantization.deprecated"):
        values["allow-deprecated-quantization"] = True
    if model.model_type in words(engine, "checkpoint.own_code"):
        values["trust-remote-code"] = True
    capability = request.hardware.gpu.compute_capability
    old = capability is not None and capability < AMPERE
    if old and model.dtype == "bfloat16" and not on(engine, "default.dtype_of_gpu"):
        values["dtype"] = "float16"
    return values


def _cuts_off(candidate: Candidate, values: dict[str, Value]) -> bool:
    """Whether prompts are not cut into steps, and the scenario's step is too small for a whole one."""
    step = values.get("max-num-batched-tokens")
    return isinstance(step, int) and not candidate.resolved.chunked_prefill and step < candidate.resolved.max_model_len


def needed_length(request: Request) -> int:
    """The context the workload needs, rounded up, bounded by the model; the user's own length as it is."""
    pinned = request.pin("max-model-len")
    if isinstance(pinned, int):
        return pinned
    need = ceil(request.scenario.workload.context / LENGTH_STEP) * LENGTH_STEP
    return min(need, request.model.default_context or request.model.max_context)


def choose_seqs(request: Request, candidate: Candidate) -> int:
    """Requests in a batch: what the KV cache holds, within the scenario's bounds, at a size graphs are made for."""
    scenario = request.scenario
    room = floor(candidate.holds / candidate.layout.data)
    wanted = ceil(scenario.workload.concurrency / candidate.layout.data)
    if scenario.policy.aim == "throughput":
        wanted = max(wanted, room)
    blocks = candidate.memory.kv.num_blocks if candidate.memory.kv else 0
    recurrent = any(group.kind == "mamba" for group in candidate.memory.kv.groups) if candidate.memory.kv else False
    chosen = _bounded(min(wanted, max(room, 1)), scenario.policy.max_num_seqs)
    return min(chosen, blocks) if recurrent and blocks else chosen


def _bounded(count: int, bounds: tuple[int, int]) -> int:
    """A count within bounds, at a multiple of the graph step where it is larger than one."""
    low, high = bounds
    stepped = ceil(count / SEQS_STEP) * SEQS_STEP if count > SEQS_STEP else count
    return max(low, min(high, stepped))


def choose_share(request: Request, layout: Layout) -> float | None:
    """Utilisation to set, None to keep the engine's default."""
    if request.pin("gpu-memory-utilization") is not None:
        return None
    policy = request.scenario.policy
    default = float(str(request.engine.behaviour["default.gpu_memory_utilization"]))
    wanted = policy.gpu_memory_utilization if policy.gpu_memory_utilization is not None else default
    free = share_that_is_free(request, layout)
    bounds = [wanted, 1 - policy.headroom, *(() if free is None else (free,))]
    if request.pin("kv-cache-memory-bytes") is not None:  # then the share sizes nothing, but must be free all the same
        bounds = [default, default if free is None else free]
    share = max(SHARE_STEP, floor(round(min(bounds) / SHARE_STEP, 6)) * SHARE_STEP)
    return None if share == default else round(share, 2)


def share_that_is_free(request: Request, layout: Layout) -> float | None:
    """Up to which utilisation the budget is free when the engine looks; None where nothing bounds it."""
    hardware = request.hardware
    if hardware.free_memory is None and not hardware.gpu.integrated:
        return None
    settings = (Setting(*pair) for pair in _layout_settings(layout, request).items())
    bare = Deployment(request.model.id, (*settings, *request.pinned))
    return highest_share(resolve(bare, request.model, hardware, request.engine), hardware, request.engine)


def _within_gpu(request: Request, layout: Layout, values: dict[str, Value]) -> Candidate:
    """Lowers what the user has not set until the plan fits: the share for what lies outside it, then the length."""
    candidate = _beside_the_rest(request, layout, values)
    while not candidate.starts and request.pin("max-model-len") is None:
        shorter = _longest(request, candidate)
        least = min(request.scenario.workload.typical, needed_length(request))
        if not least <= shorter < candidate.resolved.max_model_len:
            break
        values["max-model-len"] = shorter
        candidate = _beside_the_rest(request, layout, values)
    return candidate


def _beside_the_rest(request: Request, layout: Layout, values: dict[str, Value]) -> Candidate:
    """The candidate with a share that leaves room for what lies outside it."""
    candidate = assess(request, layout, values)
    for _ in range(layout.pipeline):  # with less for the cache, another stage may be the fullest
        missing = -candidate.memory.part("unused").bytes if candidate.memory.parts else 0
        if missing <= 0 or candidate.memory.kv is None or request.pin("gpu-memory-utilization") is not None:
            break
        lowered = candidate.resolved.gpu_memory_utilization - missing / candidate.memory.total
        values["gpu-memory-utilization"] = round(floor(lowered / SHARE_STEP) * SHARE_STEP, 2)
        candidate = assess(request, layout, values)
    return candidate


def _longest(request: Request, candidate: Candidate) -> int:
    """The longest context that the room for the KV cache holds, in whole steps where it is long."""
    if candidate.room <= 0:
        return 0
    resolved = replace(candidate.resolved, max_model_len=needed_length(request))
    length = largest_max_model_len(
        request.model, resolved, gpu=request.hardware.gpu, engine=request.engine, available=candidate.room
    )
    return length // LENGTH_STEP * LENGTH_STEP if length > LENGTH_STEP else length


def _held(request: Request, layout: Layout, resolved: Resolved, memory: Memory, *, room: int) -> float:
    """Typical requests (median prompt and output) that the room for the KV cache holds, over all replicas.

    The engine hands out blocks as requests grow, so what counts is what requests hold on average, not their maximum.
    """
    kv = memory.kv
    if kv is None:
        return 0.0
    pool = describe_pool(request.model, resolved, gpu=request.hardware.gpu, engine=request.engine)
    if isinstance(pool, Failure) or not pool.groups:
        return float(request.scenario.policy.max_num_seqs[1])
    share = min(1.0, room / max(1, memory.part("KV cache").bytes))
    each = pool.request_blocks(min(request.scenario.workload.typical, resolved.max_model_len))
    return kv.num_blocks * share / each * layout.data


def _layout_settings(layout: Layout, request: Request) -> dict[str, Value]:
    settings: dict[str, Value] = {}
    if layout.tensor > 1:
        settings["tensor-parallel-size"] = layout.tensor
    if layout.pipeline > 1:
        settings["pipeline-parallel-size"] = layout.pipeline
    if layout.data > 1:
        settings["data-parallel-size"] = layout.data
    if layout.experts:
        settings["enable-expert-parallel"] = True
    if request.hardware.nodes > 1 and layout.tensor * layout.pipeline > request.hardware.gpus_per_node:
        settings["distributed-executor-backend"] = "ray"
    return settings
