"""From a deployment and a load to its performance: step costs, a replay of the scheduler, intervals.

step costs   what one engine step takes (``calc/step_costs.py``), scaled by what was measured on this machine
server       those costs with the KV blocks of the memory plan and the limits of the batch
simulation   the load against that server (``calc/simulation.py``)
interval     mean / (1 + e) .. mean x (1 + e), with e the error on measurements that no coefficient was fitted to
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from llmtune.calc.errors import Refused
from llmtune.calc.kv_pool import describe_pool
from llmtune.calc.settings import Settings
from llmtune.calc.simulation import Server
from llmtune.calc.simulation_server import held_blocks
from llmtune.calc.step_costs import Rates, describe_costs, generation
from llmtune.calc.step_time import SendCosts, Way
from llmtune.spec.memory import Failure
from llmtune.spec.record import dataclass

if TYPE_CHECKING:
    from collections.abc import Sequence

    from llmtune.calc.shares import Site
    from llmtune.calc.step_time import StepCosts
    from llmtune.spec.coefficients import Coefficients
    from llmtune.spec.memory import Memory
    from llmtune.spec.performance import Performance

UNSEEN = "unseen"
ERROR = "relative_error"  # coefficient by quantity: the error that 90 % of held-out measurements stay below
ACCEPTED = "accepted_share"  # coefficient by method: the share of draft tokens that is kept
FRONT_END = "front_end_seconds"  # coefficient: HTTP and tokenizer, before the scheduler sees a request
FRONT_END_TOKEN = "front_end_token_seconds"  # coefficient: what each prompt token adds to that  # noqa: S105
SPREADS = ("ttft", "tpot", "itl", "e2e")
RATES = ("output_tokens_per_s", "total_tokens_per_s", "requests_per_s")
V0_WATERMARK = 0.01  # share of blocks (vLLM 0.8.5 core/block_manager.py: watermark)
LONG_PREFILL = 0.04  # share of the context, with several partial prefills (0.9.2 config.py: SchedulerConfig)
NO_BLOCKS = 1 << 40  # where a model caches nothing


@dataclass(frozen=True, slots=True)
class Factors:
    """What measured runs say of predicted times: reading and latencies (decode), arithmetic (prefill)."""

    decode: float
    prefill: float
    said: str = ""


def finish(
    found: Performance, site: Site, coefficients: Coefficients, *, factors: Factors | None = None
) -> Performance:
    """What a replay found, with intervals and with what it rests on."""
    said = [*found.assumptions, *_assumptions(site, coefficients)]
    if factors is not None:
        said.append(factors.said)
    return replace(with_intervals(found, coefficients, basis_of(site, coefficients)), assumptions=tuple(said))


def describe_server(
    site: Site, memory: Memory, coefficients: Coefficients, *, factors: Factors | None = None
) -> Server:
    """The server that is replayed.

    Raises:
        Refused: where the engine does not start.

    """
    resolved, settings = site.resolved, Settings(site.deployment)
    pool = describe_pool(site.model, resolved, gpu=site.hardware.gpu, engine=site.engine)
    if memory.kv is None or isinstance(pool, Failure):
        failure = pool if isinstance(pool, Failure) else memory.failure or Failure("kv_cache", "no KV cache plan")
        raise Refused(failure.kind, failure.engine_message)
    costs = describe_costs(site, coefficients)
    old = resolved.runner == "v0"
    caches = bool(memory.kv.groups)
    return Server(
        costs=costs if factors is None else scale_costs(costs, factors),
        max_num_seqs=resolved.max_num_seqs,
        max_num_batched_tokens=resolved.max_num_batched_tokens,
        max_model_len=memory.kv.max_model_len or resolved.max_model_len,
        num_blocks=memory.kv.num_blocks if caches else NO_BLOCKS,
        request_blocks=held_blocks(pool) if caches else _none,
        block_size=memory.kv.block_size or 16,
        chunked_prefill=resolved.chunked_prefill,
        prefix_caching=resolved.prefix_caching,
        replicas=resolved.data_parallel,
        stages=resolved.pipeline_parallel,
        draft_tokens=resolved.speculative_tokens,
        accepted_tokens=_accepted(site, coefficients),
        old_scheduler=old,
        async_scheduling=resolved.async_scheduling,
        reserve_full_prompt=old or _switched_on(site, settings, "scheduler-reserve-full-isl"),
        watermark=V0_WATERMARK if old else settings.number("watermark") or 0.0,
        long_prefill_threshold=_long_prefill(site, settings),
        front_end=coefficients.value(FRONT_END),
        front_end_token=coefficients.value(FRONT_END_TOKEN),
    )


def scale_costs(costs: StepCosts, factors: Factors) -> StepCosts:
    """Costs with what decoding waits for (reading, latencies, the host) and what prefill waits for scaled apart."""
    decode, prefill = factors.decode, factors.prefill
    return replace(
        costs,
        dense=tuple(replace(d, read=d.read * decode, compute=d.compute * prefill) for d in costs.dense),
        head=tuple(replace(d, read=d.read * decode, compute=d.compute * prefill) for d in costs.head),
        experts=tuple(replace(e, read=e.read * decode, compute=e.compute * prefill) for e in costs.experts),
        caches=tuple(
            replace(c, read=c.read * decode, again=c.again * decode, pair=c.pair * prefill) for c in costs.caches
        ),
        state=costs.state * decode,
        token=costs.token * prefill,
        sends=tuple(_scale_send(send, decode, prefill) for send in costs.sends),
        host_step=costs.host_step * decode,
        host_request=costs.host_request * decode,
        host_prompts=costs.host_prompts * prefill,
        host_launch=costs.host_launch * prefill,
    )


def _scale_send(send: SendCosts, decode: float, prefill: float) -> SendCosts:
    one, two = (Way(way.start * decode, way.token * decode) for way in (send.one, send.two))
    return replace(send, one=one, two=two, ring=Way(send.ring.start * prefill, send.ring.token * prefill))


def basis_of(site: Site, coefficients: Coefficients) -> tuple[str, ...]:
    """What a prediction's error hangs on: the engine generation, and ``unseen`` where its chip was not measured so."""
    engine = generation(site)
    measured = "/".join((*Rates(site.hardware, engine, coefficients).chip, engine))
    return (engine,) if measured in coefficients.measured else (engine, UNSEEN)


def with_intervals(found: Performance, coefficients: Coefficients, basis: Sequence[str] = ()) -> Performance:
    """The performance with an interval for each mean that an error is known of, the widest of its basis.

    Example:
        TPOT 10 ms and an error of 0.15: 8.7 to 11.5 ms.

    """
    means = {f"{name}_s": (getattr(found, name).mean, name) for name in SPREADS}
    means |= {name: (getattr(found, name), "throughput") for name in RATES}
    interval = {}
    for name, (mean, quantity) in means.items():
        if coefficients.name(ERROR, quantity) in coefficients.entries:
            error = max(coefficients.value(ERROR, quantity, key) for key in basis or ("",))
            interval[name] = (mean / (1 + error), mean * (1 + error))
    return replace(found, interval=interval)


def _accepted(site: Site, coefficients: Coefficients) -> float:
    """Draft tokens that are kept in a step; none where nobody measured how many."""
    method = site.resolved.speculative_method or ""
    if not site.resolved.speculative_tokens or coefficients.name(ACCEPTED, method) not in coefficients.entries:
        return 0.0
    share = coefficients.value(ACCEPTED, method)
    return sum(share**place for place in range(1, site.resolved.speculative_tokens + 1))


def _assumptions(site: Site, coefficients: Coefficients) -> list[str]:
    said = [_about_drafts(site, coefficients)] if site.resolved.speculative_tokens else []
    if site.resolved.cpu_offload:
        said.append("weights that are offloaded to the CPU are read over PCIe; that time is not predicted")
    if site.model.multimodal and not site.resolved.language_model_only:
        said.append("prompts are taken to be text only: the time that images or audio take to encode is not predicted")
    if site.resolved.decode_context_parallel > 1:
        said.append("what decode context parallel saves and sends is not predicted: times are those without it")
    if site.resolved.max_loras:
        said.append("requests are taken to use no LoRA adapter: what adapters add to a step is not predicted")
    if site.hardware.nodes > 1 and site.hardware.node_bandwidth is None:
        said.append("the network between the nodes is not known: 100 Gbit/s is taken")
    if UNSEEN in basis_of(site, coefficients):
        said.append(
            "no server of this engine generation was measured on GPUs of this kind: times rest on kernel timings, "
            "GPUs like it and other releases"
        )
    gpu = site.hardware.gpu
    if gpu.bridge_bandwidth and not gpu.nvlink_bandwidth and site.resolved.tensor_parallel > 1:
        said.append(
            f"{gpu.product} boards are taken to be joined by PCIe; an NVLink bridge between two of them is faster"
        )
    if gpu.bandwidth is None or not gpu.flops:
        said.append(f"bandwidth or speed of {gpu.name} are not known: times are those of a slow GPU")
    return said


def _about_drafts(site: Site, coefficients: Coefficients) -> str:
    """How many draft tokens the prediction takes to be right."""
    drafts, kept = site.resolved.speculative_tokens, _accepted(site, coefficients)
    method = site.resolved.speculative_method
    which = "the draft token" if drafts == 1 else f"{drafts} draft tokens"
    if kept:
        return (
            f"of {which} in a step {kept:.2g} {'is' if drafts == 1 else 'are'} kept on average: it depends on the text"
        )
    return (
        f"how much of {which} in a step is kept depends on the text and is not known for {method}: nothing is taken to "
        "be, so the server is at least this fast"
    )


def _switched_on(site: Site, settings: Settings, flag: str) -> bool:
    """A switch, as set or as the release has it; off where the release does not have it."""
    option = site.engine.options.get(flag)
    chosen = settings.flag(flag)
    return option is not None and (bool(option.default) if chosen is None else chosen)


def _long_prefill(site: Site, settings: Settings) -> int:
    chosen = settings.integer("long-prefill-token-threshold")
    if chosen:
        return chosen
    several = (settings.integer("max-num-partial-prefills") or 1) > 1
    return int(LONG_PREFILL * site.resolved.max_model_len) if several else 0


def _none(_tokens: int) -> int:
    return 0
