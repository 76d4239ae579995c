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

from llmtune.calc.closed_form import forecast
from llmtune.calc.contenders import (
    SEQS,
    TOKENS,
    Contender,
    complete_all,
    contend,
    engine_default,
    with_limits,
    without_defaults,
)
from llmtune.calc.effects import describe_effects, with_effects
from llmtune.calc.errors import Refused
from llmtune.calc.front import find_front
from llmtune.calc.load import count_requests
from llmtune.calc.objective import NOISE, NOT_WORSE, UNSURE, gain, log_worth, misses, speed_of
from llmtune.calc.predict import finish
from llmtune.calc.search import answer, label, recommend, rejected
from llmtune.calc.simulation import simulate
from llmtune.calc.traits import generates
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

STEPS = (2048, 4096, 8192)  # tokens of a step that are tried beside the scenario's and the engine's
NEAR = 0.15  # a runner-up this near in closed form is replayed as well
MANY = 400  # requests of a replay that are enough for a steady state; at least two for each in flight
MOST_IN_FLIGHT = 10_000
MOST_TOLD = 8  # candidates that were not taken
HALVES = 3  # how often the slots are halved where too many requests make tokens slow


@dataclass(frozen=True, slots=True)
class Played:
    """A finalist with its replay."""

    one: Contender
    found: Performance

    @property
    def speed(self) -> tuple[Forecast, int]:
        """What the choice is made by."""
        return speed_of(self.found), self.one.gpus


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
    """The first request that something starts for, answered by memory alone."""
    for request in requests:
        found = recommend(request)
        if found.deployment is not None:
            return request, replace(found, unranked=why)
    return requests[-1], replace(recommend(requests[-1]), unranked=why)


def _rank(field: list[Contender], refused: list[Candidate], goal: Goal) -> tuple[Request, Recommendation]:
    first = _settled(_best_of(field, goal), goal)
    default, plan = _as_engine(first, goal)
    finalists = [first, *_other_steps(first, goal), *_runner_up(first, field, goal)]
    load = replay_load(goal.load, first)
    played = [Played(one, simulate(one.server, load)) for one in finalists]
    best = played[0]
    for other in played[1:]:
        best = other if gain(goal, other.speed, best.speed) > margin(other.one, best.one) else best
    if best.one.layout != first.layout or best.one.request is not first.request:
        default, plan = _as_engine(best.one, goal)
    engines = _play_default(default, load)
    if (
        engines is not None
        and plan.starts
        and _may_be_default(best.one)
        and (gain(goal, engines.speed, best.speed) > NOT_WORSE)
    ):
        best = engines
    best = replace(best, one=without_defaults(best.one, plan))
    return best.one.request, _recommendation(best, _beside(engines, plan), field, refused, replace(goal, load=load))


def _play_default(default: Contender | None, load: Load) -> Played | None:
    """The engine's own configuration replayed; None where it does not start, or refuses the requests."""
    try:
        return None if default is None else Played(default, simulate(default.server, load))
    except Refused:
        return None


def _best_of(field: Sequence[Contender], goal: Goal) -> Contender:
    """The first in order of preference that none beats by its margin, by forecast."""
    best = field[0]
    for other in field[1:]:
        if gain(goal, (other.speed, other.gpus), (best.speed, best.gpus)) > margin(other, best):
            best = other
    return best


def margin(new: Contender, old: Contender) -> float:
    """The gain from which a contender takes another one's place."""
    one, other = new.layout, old.layout
    rare = (one.pipeline, one.experts) != (other.pipeline, other.experts)
    same_formats = new.candidate.resolved.kv_cache_dtype == old.candidate.resolved.kv_cache_dtype
    return UNSURE if rare or not same_formats or new.request.model.id != old.request.model.id else NOISE


def _settled(best: Contender, goal: Goal) -> Contender:
    """The contender with fewer slots, if too many requests at once make tokens too slow."""
    request, server = best.request, best.server
    if "TPOT" not in misses(goal, best.speed) or request.pin(SEQS) is not None:
        return best
    least = request.scenario.policy.max_num_seqs[0]
    slots = [server.max_num_seqs >> halves for halves in range(1, HALVES + 1)]
    tries = [(seqs, forecast(replace(server, max_num_seqs=seqs), goal.load)) for seqs in slots if seqs >= least]
    seqs, speed = max(tries, key=lambda one: gain(goal, (one[1], 1), (best.speed, 1)), default=(0, best.speed))
    if not seqs or gain(goal, (speed, 1), (best.speed, 1)) <= NOISE:
        return best
    tokens = request.scenario.policy.max_num_batched_tokens
    return with_limits(best, goal, tokens=tokens, seqs=seqs) or best


def _other_steps(best: Contender, goal: Goal) -> list[Contender]:
    """The contender with the step that gains most in closed form, where that is more than noise."""
    request, server = best.request, best.server
    if request.pin(TOKENS) is not None or not best.candidate.resolved.chunked_prefill:
        return []
    if request.scenario.policy.max_num_batched_tokens is not None:
        return []  # the scenario insists
    tries = [step for step in STEPS if step != server.max_num_batched_tokens and step >= server.max_num_seqs]
    forecasts = [(step, forecast(replace(server, max_num_batched_tokens=step), goal.load)) for step in tries]
    gains = [(gain(goal, (speed, 1), (best.speed, 1)), -step) for step, speed in forecasts]
    most, step = max(gains, default=(0.0, 0))
    if most <= NOISE:
        return []
    found = with_limits(best, goal, tokens=-step, seqs=None)
    return [found] if found is not None else []


def _runner_up(best: Contender, field: Sequence[Contender], goal: Goal) -> list[Contender]:
    """The next layout, where a replay may turn the order."""
    others = [one for one in field if one.layout != best.layout or one.request is not best.request]
    gains = [gain(goal, (one.speed, one.gpus), (best.speed, best.gpus)) for one in others]
    near = max(range(len(others)), key=lambda place: (gains[place], -place), default=None)
    return [others[near]] if near is not None and gains[near] > -NEAR else []


def _as_engine(best: Contender, goal: Goal) -> tuple[Contender | None, Candidate]:
    """The engine's own configuration of a contender's layout, as a contender where its plan fits."""
    plan = engine_default(best)
    if not plan.memory.fits or plan.memory.kv is None:
        return None, plan
    return contend(best.request, plan, goal), plan


def _may_be_default(best: Contender) -> bool:
    """Whether the scenario leaves memory to the engine."""
    policy = best.request.scenario.policy
    return policy.aim != "memory" and policy.gpu_memory_utilization is None


def _beside(engines: Played | None, plan: Candidate) -> EngineDefault:
    resolved, failure = plan.resolved, plan.memory.failure
    return EngineDefault(
        max_num_batched_tokens=resolved.max_num_batched_tokens,
        max_num_seqs=resolved.max_num_seqs,
        gpu_memory_utilization=resolved.gpu_memory_utilization,
        performance=engines.found if engines is not None else None,
        why_not=failure.engine_message if failure is not None else "",
    )


def replay_load(load: Load, one: Contender) -> Load:
    """The load with as many requests as a replay needs: those of ``simulate`` where they are few."""
    in_flight = load.concurrency or (3 * one.speed.running if load.rate is not None else 0)
    return replace(load, requests=min(count_requests(load), max(MANY, round(2 * in_flight))))


def _recommendation(
    best: Played, default: EngineDefault, field: Sequence[Contender], refused: Sequence[Candidate], goal: Goal
) -> Recommendation:
    one = best.one
    request = one.request
    same = [other for other in field if other.request is request]
    performance = finish(best.found, one.site, goal.coefficients, factors=one.factors)
    missed = misses(goal, speed_of(best.found))
    effects = describe_effects(one, best.found, default, same[0], goal)
    ranking = Ranking(
        objective=goal.objective,
        targets=goal.targets,
        load=goal.load,
        performance=performance,
        default=default,
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
        why = f"{speed.output_tokens_per_s:.0f} output tokens/s, TPOT {1000 * speed.tpot:.1f} ms"
        ttft = f"{1000 * speed.ttft:.0f} ms" if speed.ttft < 1 else f"{speed.ttft:.1f} s"
        if missed:
            why += f", TTFT {ttft}; misses {' and '.join(missed)}"
        said.append(Rejected(what, why))
    return said


def _about_targets(missed: Sequence[str], ranking: Ranking) -> tuple[str, ...]:
    if not missed:
        return ()
    reached = {"TTFT": ranking.performance.ttft.mean, "TPOT": ranking.performance.tpot.mean}
    wanted = {"TTFT": ranking.targets.ttft or 0.0, "TPOT": ranking.targets.tpot or 0.0}
    said = " and ".join(f"{name} {1000 * reached[name]:.3g} ms (target {1000 * wanted[name]:.3g})" for name in missed)
    return (f"no configuration that was tried meets every target; the nearest is predicted to have {said}",)
