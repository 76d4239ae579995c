"""From the notes of a replay to what it means: percentiles, rates, what time went to, and a trace for fitting."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from itertools import accumulate
from math import log
from typing import TYPE_CHECKING, NamedTuple

from llmtune.calc.step_time import Batch, step_time
from llmtune.spec.performance import Performance, Spread
from llmtune.spec.record import dataclass

if TYPE_CHECKING:
    from collections.abc import Sequence

    from llmtune.calc.simulation_replay import Replay
    from llmtune.calc.simulation_tally import Steps, Tally
    from llmtune.calc.step_time import StepCosts

ARRIVALS = "arrivals"


@dataclass(frozen=True, slots=True)
class TracedStep:
    """Steps that are alike: ``batch`` is their mean, ``count`` their number.

    A second in one of them adds ``ttft``, ``tpot`` and ``itl`` seconds to the means over requests.
    """

    batch: Batch
    count: float
    ttft: float
    tpot: float
    itl: float


@dataclass(frozen=True, slots=True)
class Trace:
    """A run as sums over its steps, so that its means follow from other step times without running it again.

        mean TTFT = ttft + sum(step.ttft x seconds of step.batch), and so for TPOT and ITL
        duration  = idle + sum(step.count x seconds of step.batch)

    Offline and closed loop without ``front_end`` the composition of steps does not depend on how long they take, so
    this is exact but for the averaging inside groups; with arrivals in time it holds near the costs of the trace.
    ``share`` is the part of the whole load that was simulated (one replica of several).
    """

    steps: tuple[TracedStep, ...]
    ttft: float
    tpot: float
    itl: float
    idle: float
    requests: int
    prompt_tokens: int
    output_tokens: int
    share: float


class Sums(NamedTuple):
    """How many values lie at or before a time, and what they sum to."""

    times: list[float]
    totals: list[float]

    def until(self, time: float) -> tuple[int, float]:
        """Number and sum."""
        count = bisect_right(self.times, time)
        return count, self.totals[count]


def performance_of(replay: Replay, scale: float) -> Performance:
    """The performance of ``scale`` replicas of which one was replayed."""
    requests, tally = replay.requests, replay.tally
    duration = max(request.end for request in requests) - min(request.sent for request in requests)
    tokens_out = sum(request.output for request in requests)
    tokens_in = sum(request.prompt for request in requests)
    further = [(request.end - request.first) / (request.output - 1) for request in requests if request.output > 1]
    return Performance(
        ttft=spread([request.first - request.sent for request in requests]),
        tpot=spread(further),
        itl=weighted_spread(tally.gaps()),
        e2e=spread([request.end - request.sent for request in requests]),
        output_tokens_per_s=scale * tokens_out / duration,
        total_tokens_per_s=scale * (tokens_in + tokens_out) / duration,
        requests_per_s=scale * len(requests) / duration,
        running_mean=scale * tally.request_seconds / duration,
        kv_use_max=tally.kv_used / replay.scheduler.kv.total if replay.scheduler.kv.total else 0.0,
        preemptions=round(scale * replay.scheduler.preemptions),
        bound_by=_bound_by(replay.server.costs, tally),
        duration=duration,
    )


def spread(values: Sequence[float]) -> Spread:
    """Mean and percentiles, these with linear interpolation (numpy's default, which vLLM's benchmark uses)."""
    if not values:
        return Spread(0.0, 0.0, 0.0, 0.0)
    ordered = sorted(values)
    return Spread(sum(ordered) / len(ordered), *(_percentile(ordered, share) for share in (0.5, 0.95, 0.99)))


def weighted_spread(values: Sequence[tuple[float, float]]) -> Spread:
    """Mean and percentiles of values that each stand for many."""
    total = sum(count for _, count in values)
    if not total:
        return Spread(0.0, 0.0, 0.0, 0.0)
    ordered = sorted(values)
    passed = list(accumulate(count for _, count in ordered))
    places = (min(bisect_right(passed, share * (total - 1)), len(ordered) - 1) for share in (0.5, 0.95, 0.99))
    return Spread(sum(value * count for value, count in ordered) / total, *(ordered[place][0] for place in places))


def _percentile(ordered: Sequence[float], share: float) -> float:
    place = share * (len(ordered) - 1)
    index = int(place)
    after = ordered[min(index + 1, len(ordered) - 1)]
    return ordered[index] + (after - ordered[index]) * (place - index)


def _bound_by(costs: StepCosts, tally: Tally) -> str:
    """What most of the time went to."""
    parts = defaultdict(float, {ARRIVALS: tally.idle})
    for group in _octaves(tally.steps).values():
        count = sum(steps.number for steps in group)
        time = step_time(costs, _mean_batch(group, count))
        parts["weights"] += count * time.weights
        parts["compute"] += count * time.compute
        parts["kv-cache"] += count * time.kv_cache
        parts["communication"] += count * time.communication
        parts["host"] += count * time.host
    return max(parts, key=lambda name: parts[name])


def _octaves(steps: Sequence[Steps]) -> dict[tuple[int, int, int], list[Steps]]:
    """Steps whose sizes differ by less than a factor of two: enough for the question what binds."""
    groups: dict[tuple[int, int, int], list[Steps]] = defaultdict(list)
    for some in steps:
        groups[some.decodes.bit_length(), some.tokens.bit_length(), int(some.context).bit_length()].append(some)
    return groups


def _groups(steps: Sequence[Steps], width: float) -> dict[tuple[int, ...], list[Steps]]:
    """Steps by what they hold, to a relative width."""
    groups: dict[tuple[int, ...], list[Steps]] = defaultdict(list)
    for some in steps:
        sizes = (some.decodes, some.prefills, some.context, some.tokens, some.pairs, some.read)
        groups[tuple(int(log(size) / width) if size >= 1 else -1 for size in sizes)].append(some)
    return groups


def _mean_batch(group: Sequence[Steps], count: int) -> Batch:
    """The mean step of a group. Contexts count by the requests that hold them."""
    decodes = sum(some.number * some.decodes for some in group)
    context = sum(some.number * some.decodes * some.context for some in group) / decodes if decodes else 0.0
    return Batch(
        decodes / count,
        context,
        sum(some.number * some.tokens for some in group) / count,
        sum(some.number * some.prefills for some in group) / count,
        sum(some.number * some.pairs for some in group) / count,
        sum(some.number * some.read for some in group) / count,
    )


def trace_of(replay: Replay, share: float, width: float) -> Trace:
    """The steps of a replay, those alike to a relative ``width`` together."""
    requests, tally = replay.requests, replay.tally
    found = performance_of(replay, 1.0)
    further = [request for request in requests if request.output > 1]
    sent = _sums([(request.sent, 1.0) for request in requests])
    first = _sums([(request.first, 1.0) for request in requests])
    end = _sums([(request.end, 1.0) for request in requests])
    begun = _sums([(request.first, 1 / (request.output - 1)) for request in further])
    over = _sums([(request.end, 1 / (request.output - 1)) for request in further])
    gaps = sum(count for _, count in tally.gaps()) or 1.0
    traced, ttft, tpot, itl = [], found.ttft.mean, found.tpot.mean, found.itl.mean
    for group in _groups(tally.steps, width).values():
        count = sum(steps.number for steps in group)
        seconds = sum(steps.seconds for steps in group)
        weights = [0.0, 0.0, 0.0]
        for steps in group:
            answered = first.until(steps.start)[0]
            part = steps.seconds / seconds * count
            weights[0] += part * (sent.until(steps.start)[0] - answered) / len(requests)
            weights[1] += part * (begun.until(steps.start)[1] - over.until(steps.start)[1]) / max(1, len(further))
            weights[2] += part * (answered - end.until(steps.start)[0]) / gaps
        traced.append(TracedStep(_mean_batch(group, count), count, *weights))
        mean = seconds / count
        ttft, tpot, itl = ttft - weights[0] * mean, tpot - weights[1] * mean, itl - weights[2] * mean
    return Trace(
        steps=tuple(traced),
        ttft=ttft,
        tpot=tpot,
        itl=itl,
        idle=found.duration - sum(steps.seconds for steps in tally.steps),
        requests=len(requests),
        prompt_tokens=sum(request.prompt for request in requests),
        output_tokens=sum(request.output for request in requests),
        share=share,
    )


def _sums(values: Sequence[tuple[float, float]]) -> Sums:
    ordered = sorted(values)
    return Sums([time for time, _ in ordered], [0.0, *accumulate(weight for _, weight in ordered)])
