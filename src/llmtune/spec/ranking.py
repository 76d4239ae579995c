"""What was predicted of the candidates of a recommendation, and what the choice was made by."""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.spec.record import dataclass

if TYPE_CHECKING:
    from llmtune.spec.hardware import Hardware
    from llmtune.spec.offer import Price
    from llmtune.spec.performance import Load, Performance
    from llmtune.spec.scenario import Targets

SECONDS_AN_HOUR = 3600
MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class FrontPoint:
    """One point that no other beats in both: requests in flight over a layout, seconds, output tokens/s of one GPU.

    ``layout`` as people write it, ``tensor``, ``pipeline``, ``data`` and ``experts`` its sizes. ``meets`` the targets.
    """

    layout: str
    tensor: int
    pipeline: int
    data: int
    experts: bool
    concurrency: int
    ttft: float
    tpot: float
    tokens_per_gpu: float
    meets: bool


@dataclass(frozen=True, slots=True)
class Effect:
    """What one setting buys: the choice beside the same with the value before (the engine's, or the simplest layout).

    ``throughput`` is the relative change of output tokens a second, times change by so many seconds.
    """

    setting: str
    before: str
    after: str
    throughput: float
    ttft: float
    tpot: float
    itl_p99: float | None  # None where it was not replayed


@dataclass(frozen=True, slots=True)
class EngineDefault:
    """The same model and layout with the engine's own values. ``performance`` is None where it does not start.

    ``starts``: yes, probably (the low end of its KV cache does not hold a request) or no.
    """

    max_num_batched_tokens: int
    max_num_seqs: int
    gpu_memory_utilization: float
    performance: Performance | None
    starts: str
    why_not: str = ""


@dataclass(frozen=True, slots=True)
class Ranking:
    """What the choice was made by. ``misses`` are targets that the choice does not meet: nothing met them all."""

    objective: str
    targets: Targets
    load: Load
    performance: Performance
    default: EngineDefault
    effects: tuple[Effect, ...]
    front: tuple[FrontPoint, ...]
    misses: tuple[str, ...]
    tried: int
    hardware: Hardware
    price: Price | None = None

    @property
    def tokens_per_gpu(self) -> float:
        """Output tokens a second of one GPU."""
        return self.performance.output_tokens_per_s / self.hardware.gpus

    @property
    def cost(self) -> float | None:
        """USD for a million output tokens; None without a price."""
        if self.price is None or not self.performance.output_tokens_per_s:
            return None
        return self.price.per_hour / (self.tokens_per_gpu * SECONDS_AN_HOUR / MILLION)
