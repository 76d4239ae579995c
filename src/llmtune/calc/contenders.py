"""Candidates that start, with the server that a load would meet and a forecast of what it would do.

candidate   layout and KV dtype, completed and judged by the memory plan (``calc/candidates.py``)
server      its step costs with its blocks and limits (``calc/predict.py``)
forecast    the steady state in closed form (``calc/closed_form.py``); a replay only for the best few
"""

from __future__ import annotations

from dataclasses import replace
from math import ceil, sqrt
from typing import TYPE_CHECKING

from llmtune.calc.candidates import SEQS_STEP, assess, complete, demanded_settings
from llmtune.calc.closed_form import forecast
from llmtune.calc.layouts import SLOW_LINK_TENSOR
from llmtune.calc.predict import describe_server
from llmtune.calc.search import kv_dtypes, layouts_of
from llmtune.calc.shares import Site
from llmtune.calc.ways_out import too_heavy
from llmtune.spec.record import dataclass

if TYPE_CHECKING:
    from llmtune.calc.candidates import Candidate, Request
    from llmtune.calc.closed_form import Forecast
    from llmtune.calc.layouts import Layout
    from llmtune.calc.objective import Goal
    from llmtune.calc.predict import Factors
    from llmtune.calc.simulation_server import Server
    from llmtune.spec.deployment import Value

TOKENS = "max-num-batched-tokens"
SEQS = "max-num-seqs"


@dataclass(frozen=True, slots=True)
class Contender:
    """One candidate in the ranking; ``request`` is the one that it was completed for."""

    request: Request
    candidate: Candidate
    server: Server
    speed: Forecast
    factors: Factors | None = None

    @property
    def layout(self) -> Layout:
        """How it lies over the GPUs."""
        return self.candidate.layout

    @property
    def gpus(self) -> int:
        """GPUs that are paid for."""
        return self.request.hardware.gpus

    @property
    def site(self) -> Site:
        """Its deployment."""
        one, asked = self.candidate, self.request
        return Site(one.deployment, asked.model, one.resolved, asked.hardware, asked.engine)


def contend(request: Request, candidate: Candidate, goal: Goal) -> Contender:
    """A candidate that starts, with its forecast.

    Raises:
        Refused: where a typical request does not fit.

    """
    site = Site(candidate.deployment, request.model, candidate.resolved, request.hardware, request.engine)
    factors = None
    if any(record.times for record in request.records):
        from llmtune.calc.timing import find_factors  # noqa: PLC0415 - only for those who have measured

        factors = find_factors(request.records, site, candidate.memory, goal.coefficients)
    server = describe_server(site, candidate.memory, goal.coefficients, factors=factors)
    return Contender(request, candidate, server, forecast(server, goal.load), factors)


def complete_all(request: Request, goal: Goal) -> tuple[list[Contender], list[Candidate]]:
    """Every layout that starts, in order of preference, and the candidates that do not start.

    Pipelines are looked at where nothing without them holds the load: they add latency, and few have measured them. A
    KV dtype is tried where the one before it holds too little, as the scenario says. Wide splits over PCIe stand back
    for narrow ones (rule tp-over-pcie).
    """
    found: list[Contender] = []
    refused: list[Candidate] = []
    wanted = request.scenario.workload.concurrency
    fast = request.hardware.gpu.nvlink_bandwidth is not None
    for layout in layouts_of(request):
        holding = [one for one in found if one.candidate.holds >= wanted]
        wide = not fast and layout.tensor > SLOW_LINK_TENSOR
        if holding and (layout.pipeline > holding[0].layout.pipeline or wide):
            continue
        if too_heavy(request, layout):
            continue
        for dtype in kv_dtypes(request):
            candidate = complete(request, layout, dtype)
            if not candidate.starts:
                refused.append(candidate)
                continue
            found.append(_with_room(contend(request, candidate, goal), goal))
            if candidate.holds >= wanted:
                break
    return found, refused


def _with_room(one: Contender, goal: Goal) -> Contender:
    """With arrivals at a rate: as many slots as requests that come together, which nobody has said."""
    if goal.load.rate is None or one.request.pin(SEQS) is not None:
        return one
    most = one.request.scenario.policy.max_num_seqs[1]
    steady = forecast(replace(one.server, max_num_seqs=max(most, one.server.max_num_seqs)), goal.load).running
    wanted = ceil(together(steady / one.server.replicas) / SEQS_STEP) * SEQS_STEP
    if wanted <= one.server.max_num_seqs or one.server.max_num_seqs >= most:
        return one
    return (
        with_limits(one, goal, tokens=one.request.scenario.policy.max_num_batched_tokens, seqs=min(most, wanted)) or one
    )


def together(mean: float) -> float:
    """Requests of which more are hardly ever there at once, with so many on average (Poisson: 3 deviations).

    >>> together(16.0)
    28.0

    """
    return mean + 3 * sqrt(mean)


def without_defaults(one: Contender, plan: Candidate) -> Contender:
    """The contender without the limits that the engine takes by itself, as its own plan has them."""
    chosen, own = one.candidate.resolved, plan.resolved
    same = {TOKENS: chosen.max_num_batched_tokens == own.max_num_batched_tokens}
    same[SEQS] = chosen.max_num_seqs == own.max_num_seqs
    needless = {flag for flag, equal in same.items() if equal and one.request.pin(flag) is None}
    settings = one.candidate.deployment.settings
    if not any(setting.flag in needless for setting in settings):
        return one
    values = {setting.flag: setting.value for setting in settings if setting.flag not in needless}
    candidate = assess(one.request, one.layout, values)
    if candidate.memory != one.candidate.memory:
        return one  # the limits depend on each other
    return replace(one, candidate=candidate)


def with_limits(one: Contender, goal: Goal, *, tokens: int | None, seqs: int | None) -> Contender | None:
    """The same with other limits of a batch; None leaves the scenario's choice of requests, and the engine's tokens."""
    policy = one.request.scenario.policy
    bounds = policy.max_num_seqs if seqs is None else (seqs, seqs)
    changed = replace(policy, max_num_batched_tokens=tokens, max_num_seqs=bounds)
    asked = replace(one.request, scenario=replace(one.request.scenario, policy=changed))
    dtype = one.candidate.deployment.value("kv-cache-dtype")
    candidate = complete(asked, one.layout, dtype if isinstance(dtype, str) else "auto")
    return replace(contend(one.request, candidate, goal), request=one.request) if candidate.starts else None


def engine_default(one: Contender) -> Candidate:
    """The same layout and context length with everything else as the engine has it, or the user pinned it."""
    values: dict[str, Value] = {"max-model-len": one.candidate.resolved.max_model_len}
    return assess(one.request, one.layout, values | demanded_settings(one.request))
