"""A comparison of GPUs for one model and load: what each would need, reach and cost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.spec.record import dataclass

if TYPE_CHECKING:
    from llmtune.spec.hardware import Gpu
    from llmtune.spec.performance import Load, Performance
    from llmtune.spec.recommendation import Recommendation
    from llmtune.spec.scenario import Targets
    from llmtune.spec.simulation import Arrivals

SECONDS_AN_HOUR = 3600
MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class Price:
    """USD per hour for one GPU: who asks it, when it was read (empty for a price the user gave), and where."""

    per_hour: float
    who: str
    date: str = ""
    source: str = ""


@dataclass(frozen=True, slots=True)
class Offer:
    """One GPU: how many are needed and what they do. ``answer`` is None where none fit.

    ``why_not`` is then what the engine says of the last of the ``tried`` counts, and ``reason`` the same for people.
    """

    gpu: Gpu
    gpus: int
    answer: Recommendation | None
    performance: Performance | None
    price: Price | None
    why_not: str = ""
    load: Load | None = None
    misses: tuple[str, ...] = ()  # targets that are not met, and the rate where requests come faster than they end
    arrivals: Arrivals | None = None
    tried: tuple[int, ...] = ()
    reason: str = ""

    @property
    def fits(self) -> bool:
        """Whether a number of these GPUs that was tried runs the model."""
        return self.performance is not None

    @property
    def output_tokens_per_s(self) -> float:
        """Output tokens a second: of the whole run, or while requests come at a rate; 0 where it does not fit."""
        if self.arrivals is not None:
            return self.arrivals.output_tokens_per_s
        return self.performance.output_tokens_per_s if self.performance is not None else 0.0

    @property
    def tokens_per_gpu(self) -> float:
        """Output tokens a second of one GPU."""
        return self.output_tokens_per_s / self.gpus

    @property
    def cost(self) -> float | None:
        """USD for a million output tokens; None without a price or without a performance.

        Example:
            2 GPUs at 2.50 USD an hour and 5,000 tokens/s: 18 million tokens an hour for 5 USD, 0.28 USD a million.

        """
        if self.price is None or not self.output_tokens_per_s:
            return None
        tokens = self.output_tokens_per_s * SECONDS_AN_HOUR / MILLION
        return self.price.per_hour * self.gpus / tokens


@dataclass(frozen=True, slots=True)
class Market:
    """A comparison: the offers, best first, and what they were compared for."""

    model: str
    scenario: str
    release: str
    load: Load
    targets: Targets
    offers: tuple[Offer, ...]
    sorted_by: str
    notes: tuple[str, ...] = ()
