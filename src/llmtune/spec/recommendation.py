"""What recommend answers: a deployment with a reason for every setting, or why not and what would help."""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.spec.record import dataclass

if TYPE_CHECKING:
    from llmtune.spec.deployment import Deployment, Resolved
    from llmtune.spec.engine import EngineVersion
    from llmtune.spec.hardware import Hardware
    from llmtune.spec.memory import Memory
    from llmtune.spec.model import Model
    from llmtune.spec.ranking import Ranking
    from llmtune.spec.scenario import Scenario


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a setting has its value."""

    flag: str
    text: str


@dataclass(frozen=True, slots=True)
class Rejected:
    """A candidate that was not taken, and why."""

    candidate: str
    why: str


@dataclass(frozen=True, slots=True)
class WayOut:
    """A change that makes it fit: what to pass, and the numbers it leads to."""

    change: str
    arguments: str
    result: str


@dataclass(frozen=True, slots=True)
class Recommendation:
    """The answer. ``deployment`` is None when nothing fits; then ``ways_out`` says what would.

    ``ranking`` says what was predicted; None where the choice was made by memory alone, for the reason ``unranked``.
    """

    deployment: Deployment | None
    resolved: Resolved | None
    memory: Memory | None
    reasons: tuple[Reason, ...]
    rejected: tuple[Rejected, ...]
    ways_out: tuple[WayOut, ...]
    assumptions: tuple[str, ...]
    warnings: tuple[str, ...] = ()
    ranking: Ranking | None = None
    unranked: str = ""


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a deployment will do: everything that a report of it needs."""

    model: Model
    engine: EngineVersion
    hardware: Hardware
    deployment: Deployment
    resolved: Resolved
    memory: Memory
    assumptions: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Advice:
    """A recommendation for a scenario, with the estimate of what it will do (or of the nearest that was tried)."""

    estimate: Estimate
    scenario: Scenario
    recommendation: Recommendation
