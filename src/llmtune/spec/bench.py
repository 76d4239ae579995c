"""Benchmarks with vLLM's own client: the runs that would verify a prediction, and what a run measured."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING

from llmtune.spec.record import dataclass

if TYPE_CHECKING:
    from collections.abc import Mapping

    from llmtune.spec.deployment import Deployment
    from llmtune.spec.performance import Load, Performance


@dataclass(frozen=True, slots=True)
class BenchClient:
    """The benchmark client of one release: the flags of ``vllm bench serve`` and ``vllm bench sweep serve``.

    ``script`` is the release whose ``benchmarks/benchmark_serving.py`` stands in where there is no such command.
    """

    serve: frozenset[str]
    sweep: frozenset[str]
    script: str = ""


@dataclass(frozen=True, slots=True)
class BenchRun:
    """One run: its load, where the result goes, and what is predicted."""

    name: str
    load: Load
    performance: Performance


@dataclass(frozen=True, slots=True)
class BenchPlan:
    """A server and the runs against it. ``about`` says what it is, line by line."""

    deployment: Deployment
    release: str
    client: BenchClient
    runs: tuple[BenchRun, ...]
    about: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class BenchResult:
    """What a result file of ``vllm bench serve`` says. Seconds, and rates per second.

    ``figures`` are means and percentiles by name (``ttft_mean``, ``tpot_p99``, ``output_tokens_per_s``). ``metadata``
    is what ``--metadata`` gave. ``notes`` say what the load leaves out.
    """

    path: str
    model: str
    load: Load
    completed: int
    duration: float
    figures: Mapping[str, float]
    date: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class BenchRow:
    """One figure of a run beside its prediction; ``bounds`` of the prediction, None where no error is known."""

    name: str
    measured: float
    predicted: float
    bounds: tuple[float, float] | None = None

    @property
    def difference(self) -> float:
        """Measured over predicted, less one."""
        return self.measured / self.predicted - 1 if self.predicted else 0.0

    @property
    def inside(self) -> bool | None:
        """Whether the measured figure lies in the interval."""
        return None if self.bounds is None else self.bounds[0] <= self.measured <= self.bounds[1]
