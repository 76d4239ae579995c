"""Chooses among the deployments of a model by what they are predicted to do: the search behind ``recommend``.

    field        every layout that starts, with a forecast in closed form (``calc/contenders.py``)
    finalists    the best of it, the runner-up where it is near, other steps and slots where they gain, and the engine's
                 own configuration: these are replayed (``calc/simulation.py``)
    choice       the first of them, in order of preference, that none beats by its margin (``calc/objective.py``)

The engine's own configuration is among the finalists, so the choice is never predicted to be more than 2 % worse. A
step (``max_num_batched_tokens``) is the scenario's or the engine's unless another gains more than the noise.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from llmtune.calc.contenders import (
    Contender,
    complete_all,
    contend,
    engine_default,
    without_defaults,
)
from llmtune.calc.effects import Simplest, describe_effects, with_effects
from llmtune.calc.errors import Refused
from llmtune.calc.finalists import (
    FULL_LENGTH,
    find_best,
    find_runner_up,
    margin_over,
    with_another_step,
    with_fewer_slots,
    with_more_slots,
)
from llmtune.calc.front import find_front
from llmtune.calc.load import count_requests
from llmtune.calc.objective import NOT_WORSE, gain, log_worth, misses, speed_of
from llmtune.calc.predict import finish
from llmtune.calc.search import answer, label, recommend, recommend_first, rejected
from llmtune.calc.simulation import simulate
from llmtune.calc.traits import generates
from llmtune.calc.wording import seconds
from llmtune.spec.ranking import EngineDefault, Ranking
from llmtune.spec.recommendation import Rejected
from llmtune.spec.record import dataclass

if TYPE_CHECKING:
    from collections.abc import Sequence

    from llmtune.calc.candidates import Candidate, Request
    from llmtune.calc.closed_form import Forecast
    from llmtune.calc.objective import Goal
    from llmtune.spec.performance import Load, Performance
    from llmtune.spec.recommendation import Recommendation

MANY = 400  # requests of a replay that are enough for a steady state; at least two for each in flight
MOST_IN_FLIGHT = 10_000
MOST_TOLD = 8  # candidates that were not taken


@dataclass(frozen=True, slots=True)
class Played:
    """A finalist with its replay."""

    one: Contender
    found: Performance

    @property
    def speed(self) -> tuple[Forecast, int]:
        """What the choice is made by."""
        return speed_of(self.found), self.one.gpus


@dataclass(frozen=True, slots=True)
class Search:
    """What was found: the choice beside the engine's own, every contender, those that do not start, those replayed."""

    best: Played
    default: EngineDefault
    field: Sequence[Contender]
    refused: Sequence[Candidate]
    played: Sequence[Played]


def tune(requests: Sequence[Request], goal: Goal) -> tuple[Request, Recommendation]:
    """The best of one or several requests (GPU counts, quantised siblings), with the request that it answers.

    The first request is what was asked for; one that needs more, or other weights, has to be better by a margin. Where
    nothing starts, the last one is answered, and where times cannot be predicted, the first by memory alone.
    """
    why = unpredictable(requests[0], goal)
    if why:
        return _by_memory(requests, why)
    field: list[Contender] = []
    refused: list[Candidate] = []
    try:
        for request in requests:
            found, others = complete_all(_with_free_step(request, goal), goal)
            field += found
            refused += others
        if not field:
            return requests[-1], recommend(requests[-1])
        return _rank(field, refused, goal)
    except Refused as error:
        return _by_memory(requests, error.engine_message)


def _with_free_step(request: Request, goal: Goal) -> Request:
    """The request with the engine's own step where a preset has another: what it gains is found out here.

    A user's scenario means what it says, and short steps for latency are about the longest gaps, which means hide.
    """
    scenario = request.scenario
    if goal.objective == "latency" or scenario.policy.aim == "memory" or scenario.source != "preset":
        return request
    return replace(request, scenario=replace(scenario, policy=replace(scenario.policy, max_num_batched_tokens=None)))


def unpredictable(request: Request, goal: Goal) -> str:
    """Why times cannot be predicted; empty where they can."""
    gpu = request.hardware.gpu
    if gpu.bandwidth is None or not gpu.flops:
        return f"bandwidth or speed of {gpu.name} are not known"
    if not generates(request.model):
        return f"{request.model.id} does not generate text"
    if (goal.load.concurrency or 0) > MOST_IN_FLIGHT:
        return f"more than {MOST_IN_FLIGHT} requests in flight are not replayed"
    return ""


def _by_memory(requests: Sequence[Request], why: str) -> tuple[Request, Recommendation]:
    request, found = recommend_first(requests)
    return request, replace(found, unranked=why)


def _rank(field: list[Contender], refused: list[Candidate], goal: Goal) -> tuple[Request, Recommendation]:
    first = with_fewer_slots(find_best(field, goal), goal)
    finalists = [first, *with_another_step(first, goal), *with_more_slots(first, goal)]
    finalists += find_runner_up(first, field, goal)
    goal = replace(goal, load=replay_load(goal.load, first))
    played = [Played(one, simulate(one.server, goal.load)) for one in finalists]
    best = played[0]
    for other in played[1:]:
        best = other if gain(goal, other.speed, best.speed) > margin_over(other.one, best.one) else best
    own, plan = _as_engine(best.one, goal)
    if own is not None and _may_be_default(best.one, plan) and gain(goal, own.speed, best.speed) > NOT_WORSE:
        best = own
    best = replace(best, one=without_defaults(best.one, plan))
    found = Search(best, _beside(own, plan), field, refused, played)
    return best.one.request, _recommendation(found, goal)


def _as_engine(best: Contender, goal: Goal) -> tuple[Played | None, Candidate]:
    """The engine's own configuration of a contender's layout, replayed where it starts and takes the requests."""
    plan = engine_default(best)
    if not plan.memory.fits or plan.memory.kv is None:
        return None, plan
    try:
        own = contend(best.request, plan, goal)
        return Played(own, simulate(own.server, goal.load)), plan
    except Refused:
        return None, plan


def _may_be_default(best: Contender, plan: Candidate) -> bool:
    """Whether it surely starts, the scenario leaves memory to the engine, and the cache holds more than a request."""
    policy, kv = best.request.scenario.policy, plan.memory.kv
    share = policy.gpu_memory_utilization
    free = policy.aim != "memory" and (share is None or plan.resolved.gpu_memory_utilization <= share)
    return free and plan.starts and kv is not None and (not kv.groups or kv.max_concurrency >= FULL_LENGTH)


def _beside(own: Played | None, plan: Candidate) -> EngineDefault:
    resolved, failure = plan.resolved, plan.memory.failure
    return EngineDefault(
        max_num_batched_tokens=resolved.max_num_batched_tokens,
        max_num_seqs=resolved.max_num_seqs,
        gpu_memory_utilization=resolved.gpu_memory_utilization,
        performance=own.found if own is not None else None,
        starts=("yes" if plan.starts else "probably") if own is not None else "no",
        why_not=failure.engine_message if failure is not None else "",
    )


def replay_load(load: Load, one: Contender) -> Load:
    """The load with as many requests as a replay needs: those of ``simulate`` where they are few."""
    in_flight = load.concurrency or (3 * one.speed.running if load.rate is not None else 0)
    return replace(load, requests=min(count_requests(load), max(MANY, round(2 * in_flight))))


def _recommendation(search: Search, goal: Goal) -> Recommendation:
    best, field, refused = search.best, search.field, search.refused
    one = best.one
    request = one.request
    same = [other for other in field if other.request is request]
    simplest = next((other.found for other in search.played if other.one is same[0]), None)
    effects = describe_effects(one, best.found, search.default, Simplest(same[0], simplest), goal)
    missed = misses(goal, speed_of(best.found))
    ranking = Ranking(
        objective=goal.objective,
        targets=goal.targets,
        load=goal.load,
        performance=finish(best.found, one.site, goal.coefficients, factors=one.factors),
        default=search.default,
        effects=effects,
        front=find_front(same, goal),
        misses=missed,
        tried=len(field) + len(refused),
        hardware=request.hardware,
        price=goal.price,
    )
    others = (*_slower(best, field, goal), *rejected(request, None, refused))
    found = with_effects(answer(request, one.candidate, others), effects)
    return replace(found, ranking=ranking, warnings=(*found.warnings, *_about_targets(missed, ranking)))


def _slower(best: Played, field: Sequence[Contender], goal: Goal) -> list[Rejected]:
    """What the others were forecast to do, the best first."""
    several = len({one.request.hardware.gpus for one in field}) > 1
    models = len({one.request.model.id for one in field}) > 1
    chosen = best.one
    said = []
    others = [one for one in field if one.layout != chosen.layout or one.request is not chosen.request]
    ranked = sorted(others, key=lambda one: -log_worth(goal, one.speed, one.gpus))
    for one in ranked[:MOST_TOLD]:
        speed, missed = one.speed, misses(goal, one.speed)
        what = label(one.candidate)
        what = f"{one.gpus} x {one.request.hardware.gpu.name}: {what}" if several else what
        what = f"{one.request.model.id}, {what}" if models else what
        why = f"{speed.output_tokens_per_s:.0f} output tokens/s, TPOT {seconds(speed.tpot)}"
        if missed:
            why += f", TTFT {seconds(speed.ttft)}; misses {' and '.join(missed)}"
        said.append(Rejected(what, why))
    return said


def _about_targets(missed: Sequence[str], ranking: Ranking) -> tuple[str, ...]:
    if not missed:
        return ()
    reached = {"TTFT": ranking.performance.ttft.mean, "TPOT": ranking.performance.tpot.mean}
    wanted = {"TTFT": ranking.targets.ttft or 0.0, "TPOT": ranking.targets.tpot or 0.0}
    said = " and ".join(f"{name} {seconds(reached[name])} (target {seconds(wanted[name])})" for name in missed)
    return (f"no configuration that was tried meets every target; the nearest is predicted to have {said}",)
