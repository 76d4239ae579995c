"""A deployment under a load: its estimate, the requests it gets and what it is predicted to do with them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.spec.record import dataclass

if TYPE_CHECKING:
    from llmtune.spec.performance import Load, Performance
    from llmtune.spec.recommendation import Estimate


@dataclass(frozen=True, slots=True)
class Arrivals:
    """What a server does while requests come at a rate; a run's own figures hold the time after the last one too.

    ``sustained_per_s`` requests a second are the most that it can go on with: where more come the queue grows, and
    TTFT with the length of the run. The other rates are those while requests come. ``drain`` is the time in seconds
    from the last arrival to the last token.
    """

    keeps_up: bool
    sustained_per_s: float
    requests_per_s: float
    output_tokens_per_s: float
    total_tokens_per_s: float
    drain: float


@dataclass(frozen=True, slots=True)
class Simulation:
    """What ``llmtune simulate`` answers. ``performance`` is None where the engine does not start.

    ``scenario`` is the one that said what the options left open; empty where they said everything. ``notes`` are about
    the load. ``arrivals`` is None where requests do not come at a rate.
    """

    estimate: Estimate
    load: Load
    performance: Performance | None
    scenario: str = ""
    notes: tuple[str, ...] = ()
    arrivals: Arrivals | None = None

    @property
    def assumptions(self) -> tuple[str, ...]:
        """What memory, load and prediction rest on."""
        predicted = self.performance.assumptions if self.performance is not None else ()
        return tuple(dict.fromkeys((*self.estimate.assumptions, *self.notes, *predicted)))
