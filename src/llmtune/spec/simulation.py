"""A deployment under a load: its estimate, the requests it gets and what it is predicted to do with them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.spec.record import dataclass

if TYPE_CHECKING:
    from llmtune.spec.performance import Load, Performance
    from llmtune.spec.recommendation import Estimate


@dataclass(frozen=True, slots=True)
class Simulation:
    """What ``llmtune simulate`` answers. ``performance`` is None where the engine does not start.

    ``scenario`` is the one that said what the options left open; empty where they said everything. ``notes`` are about
    the load.
    """

    estimate: Estimate
    load: Load
    performance: Performance | None
    scenario: str = ""
    notes: tuple[str, ...] = ()

    @property
    def assumptions(self) -> tuple[str, ...]:
        """What memory, load and prediction rest on."""
        predicted = self.performance.assumptions if self.performance is not None else ()
        return tuple(dict.fromkeys((*self.estimate.assumptions, *self.notes, *predicted)))
