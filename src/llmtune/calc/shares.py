"""One pipeline stage's memory but for the KV cache: its parts, and the bytes that they leave.

Source: vLLM 0.33.0 v1/worker/utils.py::request_memory, v1/worker/gpu_worker.py::determine_available_memory.
"""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING

from llmtune.calc.activations import Stage, activation_peak
from llmtune.calc.corrections import correct
from llmtune.calc.cuda_graphs import charges_graphs, graph_memory
from llmtune.calc.errors import Refused
from llmtune.calc.kv_pool import describe_pool
from llmtune.calc.non_torch import non_torch
from llmtune.calc.persistent import persistent_buffers
from llmtune.calc.sharing import others
from llmtune.calc.stages import stage_layers
from llmtune.calc.switches import on
from llmtune.calc.validity import check
from llmtune.calc.weights import weigh
from llmtune.spec.memory import Failure, Part
from llmtune.spec.record import dataclass

if TYPE_CHECKING:
    from collections.abc import Sequence

    from llmtune.calc.weights import RankWeights
    from llmtune.spec.calibration import Corrections
    from llmtune.spec.deployment import Deployment, Resolved
    from llmtune.spec.engine import EngineVersion
    from llmtune.spec.hardware import Hardware
    from llmtune.spec.model import Model


@dataclass(frozen=True, slots=True)
class Site:
    """One deployment with everything that its memory depends on."""

    deployment: Deployment
    model: Model
    resolved: Resolved
    hardware: Hardware
    engine: EngineVersion
    corrections: Corrections | None = None  # what a measured start-up says of the parts


@dataclass(frozen=True, slots=True)
class Share:
    """One pipeline stage's parts but for the KV cache, and the bytes left for that: expected, at least, at most."""

    stage: int
    charged: tuple[Part, ...]
    outside: tuple[Part, ...]
    available: int
    low: int
    high: int


def fullest_share(site: Site) -> Share | None:
    """The parts of the stage that decides, as they are charged; None where the engine refuses before it measures."""
    if check(site.deployment, site.model, site.resolved, site.hardware, site.engine) is not None:
        return None
    pool = describe_pool(site.model, site.resolved, gpu=site.hardware.gpu, engine=site.engine)
    try:
        return None if isinstance(pool, Failure) else fullest_of(shares_of(site), pool.block_bytes)
    except Refused:
        return None


def shares_of(site: Site) -> list[Share]:
    """The parts of every pipeline stage.

    Raises:
        Refused: where the weights cannot be laid out so.

    """
    return [share_of(site, of_stage) for of_stage in weigh(site.model, site.resolved, site.hardware.gpu)]


def memory_budget(total: int, resolved: Resolved, engine: EngineVersion) -> int:
    """Bytes the engine allows itself, rounded up from 0.14 on."""
    share = total * resolved.gpu_memory_utilization
    return ceil(share) if on(engine, "memory.budget_rounded_up") else int(share)


def share_of(site: Site, weights: RankWeights) -> Share:
    """The parts of the stage that these weights stand on."""
    model, resolved, engine = site.model, site.resolved, site.engine
    layers = stage_layers(model.layers, resolved.pipeline_parallel)[weights.stage]
    stage = Stage(weights.stage, resolved.pipeline_parallel)
    graphs = graph_memory(model, resolved, layers=layers)
    buffers = persistent_buffers(model, resolved, engine, gpu=site.hardware.gpu, layers=layers)
    other = non_torch(resolved, gpu=site.hardware.gpu, engine=engine)
    taken, beside = others(resolved, site.hardware, engine)
    charged = [
        _weights_part(site, weights),
        activation_peak(model, resolved, gpu=site.hardware.gpu, engine=engine, stage=stage),
        buffers.charged,
        other.charged,
        taken,
    ]
    outside = [buffers.uncharged, other.outside, beside]
    (charged if charges_graphs(site.deployment, engine) else outside).append(graphs)
    charged, outside = correct(charged, outside, site.corrections)
    budget = memory_budget(site.hardware.gpu.total_memory, resolved, engine)
    asked = resolved.kv_cache_memory
    if asked is not None:
        return Share(weights.stage, tuple(charged), tuple(outside), asked, asked, asked)
    return Share(
        weights.stage,
        tuple(charged),
        tuple(outside),
        budget - sum(part.bytes for part in charged),
        budget - sum(part.high for part in charged),
        budget - sum(part.low for part in charged),
    )


def _weights_part(site: Site, weights: RankWeights) -> Part:
    on_gpu = max(0, weights.bytes - site.resolved.cpu_offload)
    names = sorted((name for name, size in weights.parts.items() if size), key=lambda name: -weights.parts[name])
    gib = ", ".join(f"{name} {weights.parts[name] / 2**30:.2f} GiB" for name in names)
    why = f"{gib}; {(weights.bytes - on_gpu) / 2**30:.2f} GiB of it offloaded" if on_gpu < weights.bytes else gib
    return Part("weights", on_gpu, why, on_gpu, on_gpu)


def fullest_of(shares: Sequence[Share], block_bytes: Sequence[int]) -> Share:
    """The stage that holds the fewest blocks; among equals (KV bytes given) the one with the most beside them."""
    if len({share.available for share in shares}) == 1:
        return max(shares, key=lambda share: sum(part.bytes for part in share.charged))
    return min(shares, key=lambda share: share.available / (block_bytes[share.stage] or 1))
