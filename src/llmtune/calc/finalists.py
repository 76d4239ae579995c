"""Which contenders are worth a replay: the best of the field by forecast, and what may still beat it."""

from __future__ import annotations

from dataclasses import replace
from math import ceil
from typing import TYPE_CHECKING

from llmtune.calc.closed_form import forecast
from llmtune.calc.contenders import SEQS, TOKENS, with_limits
from llmtune.calc.objective import NOISE, UNSURE, gain, margin, misses

if TYPE_CHECKING:
    from collections.abc import Sequence

    from llmtune.calc.contenders import Contender
    from llmtune.calc.objective import Goal

STEPS = (2048, 4096, 8192)  # tokens of a step that are tried beside the engine's
NEAR = 0.15  # a runner-up this near in closed form is replayed as well
FULL_LENGTH, FEW = 2.0, 32  # rule low-concurrency: a cache below two requests of full length, with slots for more
HALVES = 3  # how often the slots are halved where too many requests make tokens slow


def find_best(field: Sequence[Contender], goal: Goal) -> Contender:
    """The first in order of preference that none beats by its margin, by forecast."""
    best = field[0]
    for other in field[1:]:
        if gain(goal, (other.speed, other.gpus), (best.speed, best.gpus)) > margin_over(other, best):
            best = other
    return best


def margin_over(new: Contender, old: Contender) -> float:
    """The gain from which a contender takes another one's place. More slots than the cache holds rely on its size."""
    same = new.layout == old.layout and new.request is old.request
    if same and new.server.max_num_seqs > old.server.max_num_seqs:
        return UNSURE
    other_weights = new.request.model.id != old.request.model.id
    return margin(new.candidate.resolved, old.candidate.resolved, other_weights=other_weights)


def with_fewer_slots(best: Contender, goal: Goal) -> Contender:
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


def with_another_step(best: Contender, goal: Goal) -> list[Contender]:
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
    found = with_limits(best, goal, tokens=-step, seqs=server.max_num_seqs)
    return [found] if found is not None else []


def with_more_slots(best: Contender, goal: Goal) -> list[Contender]:
    """The contender with a slot for every request, where the KV cache surely holds fewer typical ones.

    Requests hold less on average than when they end, and the cache is often larger than at worst.
    """
    request, kv = best.request, best.candidate.memory.kv
    low, high = request.scenario.policy.max_num_seqs
    if request.pin(SEQS) is not None or goal.load.concurrency is None or kv is None:
        return []
    high = high if kv.max_concurrency >= FULL_LENGTH else min(high, FEW)
    seqs = max(low, min(high, ceil(goal.load.concurrency / best.layout.data)))
    if seqs <= best.server.max_num_seqs:
        return []
    tokens = request.scenario.policy.max_num_batched_tokens
    found = with_limits(best, goal, tokens=tokens, seqs=seqs)
    return [found] if found is not None and found.server.max_num_seqs > best.server.max_num_seqs else []


def find_runner_up(best: Contender, field: Sequence[Contender], goal: Goal) -> list[Contender]:
    """The next layout, where a replay may turn the order: it is near, or the best misses a target.

    Beyond a target waiting decides, which a steady state says little about.
    """
    others = [one for one in field if one.layout != best.layout or one.request is not best.request]
    gains = [gain(goal, (one.speed, one.gpus), (best.speed, best.gpus)) for one in others]
    near = max(range(len(others)), key=lambda place: (gains[place], -place), default=None)
    return [others[near]] if near is not None and (gains[near] > -NEAR or misses(goal, best.speed)) else []
