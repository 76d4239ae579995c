"""What a recommendation is chosen by: an objective, targets, and how much better something must be to be taken.

    throughput   output tokens a second of one GPU          cost   the same: USD a token is price over it
    latency      the whole request's mean time

Times are predicted with an error, so a target is met with a chance, and what is compared is worth x chance of meeting
every target: of two that hardly differ the one further from the limit wins, and where none can meet it, the nearest.
On measured grids this loses less and misses fewer limits than a fixed distance does; a wider spread loses more, and
misses hardly fewer (``benchmarks/regret.py --replay --folds model``, models that no coefficient was fitted to: of 282
choices none lost 2.4 % and missed 10, 1 % lost 2.7 % and missed 10, 3 % lost 3.4 % and missed 9).

A predicted gain counts from a margin on, so that a recommendation does not turn on what measurements cannot tell
apart (runs of one configuration differ by up to 8 %): ``NOISE`` where model and engine are well known, ``UNSURE`` where
few measurements exist, once for each such change.
"""

from __future__ import annotations

from math import erfc, exp, log, sqrt
from typing import TYPE_CHECKING

from llmtune.calc.closed_form import Forecast
from llmtune.spec.record import dataclass

if TYPE_CHECKING:
    from llmtune.spec.coefficients import Coefficients
    from llmtune.spec.deployment import Resolved
    from llmtune.spec.offer import Price
    from llmtune.spec.performance import Load, Performance
    from llmtune.spec.scenario import Targets

OBJECTIVES = ("throughput", "latency", "cost")
NOISE = 0.03  # relative gain below which a setting keeps its default, and the simpler layout its place
UNSURE = 0.10  # for each of pipelines, expert parallelism, 8-bit KV cache and other weights: rarely measured
NOT_WORSE = 0.02  # what the engine's own configuration may be better by before it is taken itself
EQUAL = 0.01  # relative difference of what keeps up with arrivals, whatever it is
FASTER = 0.05  # relative gain of a request's time that then decides
MET = 1.03  # of a target: nearer than measurements tell apart
SPREAD = {"ttft": 0.1, "tpot": 0.01}  # of log(predicted / measured), for chances: what balances loss and misses
FAR, BEYOND = 3.0, 100.0  # deviations over a target, and what each factor e beyond takes from the log of the chance
TINY = 1e-12
MOST = 50.0  # of a gain's logarithm: beyond counts the same


@dataclass(frozen=True, slots=True)
class Goal:
    """What to choose by, and what predictions are made with."""

    objective: str
    targets: Targets
    load: Load
    coefficients: Coefficients
    price: Price | None = None


def default_objective(aim: str) -> str:
    """The objective of a scenario: latency for latency; all others want throughput, within their targets."""
    return "latency" if aim == "latency" else "throughput"


def margin(new: Resolved, old: Resolved, *, other_weights: bool) -> float:
    """The gain from which a configuration takes another one's place: what is uncertain of its changes adds up."""
    doubts = (
        other_weights,
        new.pipeline_parallel != old.pipeline_parallel,
        new.expert_parallel != old.expert_parallel,
        new.kv_cache_dtype != old.kv_cache_dtype,
    )
    return max(NOISE, UNSURE * sum(doubts))


def speed_of(found: Performance) -> Forecast:
    """The means that a choice is made by."""
    return Forecast(found.ttft.mean, found.tpot.mean, found.e2e.mean, found.output_tokens_per_s, found.running_mean)


def misses(goal: Goal, speed: Forecast) -> tuple[str, ...]:
    """The targets that the means do not meet; 3 % more still does."""
    checks = (("TTFT", speed.ttft, goal.targets.ttft), ("TPOT", speed.tpot, goal.targets.tpot))
    return tuple(name for name, reached, target in checks if target is not None and reached > MET * target)


def log_chance(goal: Goal, speed: Forecast) -> float:
    """The logarithm of the chance that every target is met.

    Example:
        TPOT 30.6 ms and a target of 30 ms: a deviation below the 30.9 ms that still count, a chance of 0.84, so -0.17.

    """
    found = 0.0
    for quantity, reached in (("ttft", speed.ttft), ("tpot", speed.tpot)):
        target = getattr(goal.targets, quantity)
        if target is not None and reached > 0:
            found += log_met(reached / (MET * target), SPREAD[quantity])
    return found


def log_met(ratio: float, spread: float) -> float:
    """The logarithm of the chance to stay within a limit of which a prediction is so many times as much.

    Beyond three deviations there is none, and every factor counts alike whatever is limited: twice the TPOT is as bad
    as twice the TTFT, however closely either can be predicted.

    >>> round(exp(log_met(1.0, 0.01)), 3), round(exp(log_met(0.9835, 0.01)), 2)
    (0.5, 0.95)

    """
    over = log(ratio)
    near = min(over / spread, FAR)
    return log(erfc(near / sqrt(2)) / 2) - BEYOND * max(0.0, over - FAR * spread)


def log_worth(goal: Goal, speed: Forecast, gpus: int) -> float:
    """The logarithm of what the objective measures times the chance of meeting the targets; more is better."""
    worth = 1 / max(speed.e2e, TINY) if goal.objective == "latency" else speed.output_tokens_per_s / gpus
    return log(max(worth, TINY)) + log_chance(goal, speed)


def gain(goal: Goal, new: tuple[Forecast, int], old: tuple[Forecast, int]) -> float:
    """By how much the new one (with its GPUs) is better, relative.

    Example:
        Both are far below their targets, 1,100 tokens a second instead of 1,000 on as many GPUs: 0.1.

    """
    found = exp(min(MOST, log_worth(goal, *new) - log_worth(goal, *old))) - 1
    if abs(found) <= EQUAL and new[1] == old[1] and new[0].e2e > 0:
        faster = old[0].e2e / new[0].e2e - 1
        return faster if abs(faster) > FASTER else found
    return found
