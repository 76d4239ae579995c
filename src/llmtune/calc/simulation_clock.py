"""Seconds of engine steps during a simulation, fast enough for tens of thousands of them.

Between two events a decode batch keeps its requests and every context grows by the same number of tokens. The
time of a step is a straight line in the mean context, with bends only where that passes a sliding window and where the
GPU begins to take longer than launching its kernels (``calc/step_time.py``); so a few evaluations say everything about
a number of requests, and n steps cost one sum.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import replace
from itertools import pairwise
from math import ceil, inf, sqrt
from typing import TYPE_CHECKING, NamedTuple

from llmtune.calc.step_time import Batch, step_seconds

if TYPE_CHECKING:
    from llmtune.calc.step_time import StepCosts

SPAN = 4096.0  # tokens between the two evaluations of a line without an end
MANY = 1 << 40  # steps


class Line(NamedTuple):
    """Seconds of a decode step: ``base + slope x context``, for contexts up to ``end`` tokens."""

    base: float
    slope: float
    end: float

    def course(self, context: float, progress: float) -> Course:
        """Steps from a context on that grows by ``progress`` tokens in each."""
        return Course(self.base + self.slope * context, self.slope * progress)

    def steps_within(self, context: float, progress: float) -> int:
        """Steps before the line bends."""
        return MANY if self.end == inf else max(1, ceil((self.end - context) / progress))


class Course(NamedTuple):
    """Decode steps in a row: the j-th (from 0) takes ``first + j x rise`` seconds."""

    first: float
    rise: float

    def seconds(self, steps: int) -> float:
        """Of so many steps."""
        return steps * (self.first + self.rise * (steps - 1) / 2)

    def step(self, index: int) -> float:
        """Of one step."""
        return self.first + self.rise * index

    def steps_until(self, seconds: float, limit: int) -> int:
        """The fewest steps that take at least so long, and at most ``limit``."""
        if seconds <= 0:
            return 0
        if self.seconds(limit) <= seconds:
            return limit
        level = self.first - self.rise / 2
        count = 2 * seconds / (level + sqrt(level * level + 2 * self.rise * seconds))  # of seconds(count) = seconds
        steps = max(1, int(count))  # rounding may have made this one too few or too many
        while steps > 1 and self.seconds(steps - 1) >= seconds:
            steps -= 1
        while self.seconds(steps) < seconds:
            steps += 1
        return steps


class Clock:
    """The time of steps, remembered by number of requests."""

    def __init__(self, costs: StepCosts) -> None:
        """Note where all lines bend."""
        self.costs = costs
        self._windows = sorted({float(cache.window) for cache in costs.caches if cache.window})
        self._lines: dict[int, tuple[list[float], list[Line]]] = {}

    def line(self, decodes: int, context: float) -> Line:
        """The line that a batch of this many requests is on."""
        found = self._lines.get(decodes)
        if found is None:
            found = self._lines[decodes] = self._pieces(decodes)
        bends, lines = found
        return lines[bisect_right(bends, context)] if bends else lines[0]

    def _pieces(self, decodes: int) -> tuple[list[float], list[Line]]:
        """Contexts where the line of a number of requests bends, and the lines before, between and after them."""
        bends = self._windows
        if self.costs.host_launch and decodes * self.costs.decode_tokens > self.costs.graph_tokens:
            bends = sorted({*bends, *self._launched(decodes)})
        lines = [self._line(self.costs, decodes, start, end) for start, end in pairwise((0.0, *bends, inf))]
        return bends, lines

    def _launched(self, decodes: int) -> list[float]:
        """Contexts, at most one, at which the GPU takes as long as launches."""
        device = replace(self.costs, host_launch=0.0, host_request=0.0)
        for start, end in pairwise((0.0, *self._windows, inf)):
            line = self._line(device, decodes, start, end)
            crossing = (self.costs.host_launch - line.base) / line.slope if line.slope else inf
            if start < crossing < end:
                return [crossing]
        return []

    @staticmethod
    def _line(costs: StepCosts, decodes: int, start: float, end: float) -> Line:
        other = min(end, start + SPAN)
        low = step_seconds(costs, Batch(decodes, start))
        slope = (step_seconds(costs, Batch(decodes, other)) - low) / (other - start)
        return Line(low - slope * start, slope, end)
