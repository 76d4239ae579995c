"""What the hardware can do at all: throughput of one GPU against latency, over layouts and requests in flight.

Steady states in closed form, with as many slots as requests; a point stays where no other has both a lower TPOT and
more tokens a second.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from llmtune.calc.closed_form import forecast
from llmtune.calc.objective import misses
from llmtune.spec.ranking import FrontPoint

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from llmtune.calc.contenders import Contender
    from llmtune.calc.objective import Goal

MOST_IN_FLIGHT = 4096
WAITING = 1.02  # requests asked for over those that run: more than this and the rest waits


def find_front(field: Iterable[Contender], goal: Goal) -> tuple[FrontPoint, ...]:
    """The points that no other beats, the lowest TPOT first."""
    points = [point for one in field for point in _points(one, goal)]
    return tuple(_not_beaten(sorted(points, key=lambda point: (point.tpot, -point.tokens_per_gpu))))


def _points(one: Contender, goal: Goal) -> Iterator[FrontPoint]:
    """One layout with 1, 2, 4, ... requests in flight in each replica, until the KV cache is full."""
    layout = one.layout
    in_flight = layout.data * layout.pipeline
    while in_flight <= MOST_IN_FLIGHT:
        slots = max(one.server.max_num_seqs, in_flight // layout.data)
        load = replace(goal.load, concurrency=in_flight, rate=None, offline=False)
        found = forecast(replace(one.server, max_num_seqs=slots), load)
        if in_flight > found.running * WAITING:
            return
        yield FrontPoint(
            layout=str(layout),
            tensor=layout.tensor,
            pipeline=layout.pipeline,
            data=layout.data,
            experts=layout.experts,
            concurrency=in_flight,
            ttft=found.ttft,
            tpot=found.tpot,
            tokens_per_gpu=found.output_tokens_per_s / one.gpus,
            meets=not misses(goal, found),
        )
        in_flight *= 2


def _not_beaten(points: Sequence[FrontPoint]) -> Iterator[FrontPoint]:
    most = 0.0
    for point in points:
        if point.tokens_per_gpu > most:
            most = point.tokens_per_gpu
            yield point
