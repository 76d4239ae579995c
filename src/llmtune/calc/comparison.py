"""What a start-up log measured beside what is predicted, part by part, as the log groups the parts.

Loading counts as weights: parameters with absorbed projections, rotary tables, LoRA slots and kernel layouts. Up to
0.26 the experts' work space lies within the peak; from 0.27 on it, the sampler's tables and non-torch memory are one
sum with the weights, and the peak holds the estimate of the graphs.
Source: vLLM 0.19.0 and 0.33.0 v1/worker/gpu_worker.py::determine_available_memory, utils/mem_utils.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.calc.cuda_graphs import charges_graphs
from llmtune.calc.kv_cache import plan_in_pool
from llmtune.calc.kv_pool import describe_pool
from llmtune.calc.moe_buffers import expert_workspace
from llmtune.calc.persistent import sampler_state
from llmtune.calc.switches import on
from llmtune.spec.calibration import Comparison
from llmtune.spec.memory import Failure, KvCache
from llmtune.spec.record import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llmtune.calc.shares import Share, Site
    from llmtune.spec.calibration import Figures, StartupLog
    from llmtune.spec.memory import Memory

ROUNDED = 6 << 20  # bytes: logs print GiB with two digits, so half of 0.01 GiB and a little
UNPRINTED = 0.1  # share by which a worker that printed nothing may have less than the one that did
ROUNDS = 6


@dataclass(frozen=True, slots=True)
class Predicted:
    """The parts of a plan, put together as a log of the release puts them."""

    weights: int
    activations: int
    non_torch: int
    consumed: int  # weights, buffers and non-torch memory
    graphs: int
    graphs_charged: bool

    @property
    def peak(self) -> int:
        """The peak as releases print it that add the graphs to it."""
        return self.activations + (self.graphs if self.graphs_charged else 0)


def group(share: Share, site: Site) -> Predicted:
    """A share's parts as the log groups them.

    Example:
        Weights 15.26, rotary tables 0.01, sampler state 0.63 and non-torch 0.25 GiB under 0.33.0: weights 15.27,
        consumed 16.15.

    """
    sizes = {part.name: part.bytes for part in (*share.outside, *share.charged)}  # of equal names, what is charged
    charged = {part.name: part.bytes for part in share.charged}
    merged = on(site.engine, "memory.sampler_state_charged")
    buffers = charged["persistent buffers"]
    work = 0
    if on(site.engine, "memory.moe_workspace_persistent"):
        work = expert_workspace(site.model, site.resolved, site.engine).bytes
    state = sampler_state(site.model, site.resolved).bytes if merged else 0
    return Predicted(
        weights=charged["weights"] + buffers - work - state,
        activations=charged["activations"] + (0 if merged else work),
        non_torch=charged["non-torch"],
        consumed=charged["weights"] + buffers + charged["non-torch"],
        graphs=sizes["CUDA graphs"],
        graphs_charged=charges_graphs(site.deployment, site.engine),
    )


def compare(figures: Figures, log: StartupLog, share: Share, memory: Memory, site: Site) -> tuple[Comparison, ...]:
    """Every figure that the log prints, beside the plan's own."""
    rows = [row for row in _rows(figures, share, memory, site) if row.measured is not None]
    kv = memory.kv
    caches = kv is not None and bool(kv.groups)
    counted = [
        Comparison("KV cache blocks", kv.num_blocks if kv and caches else None, log.blocks, "blocks"),
        Comparison("KV cache tokens", kv.tokens if kv and caches else None, log.tokens, "tokens"),
        Comparison("requests of full length", kv.max_concurrency if kv and caches else None, log.concurrency, "x"),
    ]
    return (*rows, *(row for row in counted if row.measured is not None))


def _rows(figures: Figures, share: Share, memory: Memory, site: Site) -> Iterator[Comparison]:
    predicted = group(share, site)
    beside = sum(part.bytes for part in share.outside if part.name == "non-torch")
    yield Comparison("total memory", memory.total, figures.total)
    yield Comparison("free at the start", memory.total - beside, figures.free)
    yield Comparison("weights", predicted.weights, figures.weights)
    yield Comparison("non-torch", predicted.non_torch, figures.non_torch)
    yield Comparison("weights and non-torch", predicted.consumed, figures.consumed)
    yield Comparison("activations", predicted.activations, figures.activations)
    yield Comparison("activations and graphs", predicted.peak, figures.peak)
    yield Comparison("CUDA graphs, estimated", predicted.graphs, figures.graphs_estimated)
    yield Comparison("CUDA graphs, taken", predicted.graphs, figures.graphs_taken)
    yield Comparison("KV cache", share.available, figures.kv_cache)


def measured_cache(printed: int | None, log: StartupLog, share: Share, site: Site) -> int | None:
    """Bytes of the KV cache in the log, to the block where it also says how many blocks or tokens there are.

    Logs print two digits of a GiB. Blocks and tokens are exact and those of the worker that decides, which need not be
    the one that printed its memory.
    """
    pool = describe_pool(site.model, site.resolved, gpu=site.hardware.gpu, engine=site.engine)
    if isinstance(pool, Failure) or not pool.groups or site.resolved.num_gpu_blocks_override is not None:
        return printed
    block = pool.block_bytes[share.stage]
    least = log.blocks * block if log.blocks is not None else _least_for_tokens(printed, log, share, site)
    if least is None:
        return printed
    if printed is None:
        return least + block // 2
    exact = min(max(printed, least), least + block - 1)
    silent = sum(worker.figures.kv_cache is not None for worker in log.workers) < _ranks(site)
    below = printed * UNPRINTED if silent and exact < printed else 0
    return exact if abs(exact - printed) <= max(ROUNDED, below) else printed


def _ranks(site: Site) -> int:
    return site.resolved.tensor_parallel * site.resolved.pipeline_parallel


def _least_for_tokens(printed: int | None, log: StartupLog, share: Share, site: Site) -> int | None:
    """The least memory whose plan has as many tokens as the log; None when none is found."""
    resolved, gpu, engine = site.resolved, site.hardware.gpu, site.engine
    pool = describe_pool(site.model, resolved, gpu=gpu, engine=engine)
    if not log.tokens or isinstance(pool, Failure):
        return None
    block = pool.block_bytes[share.stage]
    size = max(printed if printed is not None else share.available, block)
    for _ in range(ROUNDS):
        blocks = [max(1, size // block) * each for each in pool.block_bytes]
        plan = plan_in_pool(pool, resolved, engine=engine, available=blocks)
        if not isinstance(plan, KvCache):  # too little for one request: look above it
            size *= 2
        elif plan.tokens == log.tokens:
            return size // block * block
        else:
            size = max(block, round(size * log.tokens / max(1, plan.tokens)))
    return None
