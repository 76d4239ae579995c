"""What requests a server gets, and what it does with them. Times in seconds, rates per second."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING

from llmtune.spec.record import dataclass
from llmtune.spec.scenario import Tokens

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Load", "Performance", "Spread", "Tokens"]


@dataclass(frozen=True, slots=True)
class Load:
    """The requests of a run.

    ``prompt`` and ``output``: every request has the same length where median and 95th percentile are equal; otherwise
    lengths are log-normal. Exactly one of ``concurrency`` (closed loop: the next request starts when one ends),
    ``rate`` (Poisson arrivals a second) and ``offline`` (all at once) says how they arrive. ``prefix_hit`` is the share
    of prompt tokens that the prefix cache holds.
    """

    prompt: Tokens
    output: Tokens
    concurrency: int | None = None
    rate: float | None = None
    offline: bool = False
    requests: int = 0
    prefix_hit: float = 0.0
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Spread:
    """A quantity over requests: mean, median, 95th and 99th percentile."""

    mean: float
    p50: float
    p95: float
    p99: float


@dataclass(frozen=True, slots=True)
class Performance:
    """What a deployment does under a load, over all its replicas.

    ``tpot`` is a request's time after the first token over its further tokens, ``itl`` the gap between two tokens.
    ``running_mean`` requests were in the batch on average, ``kv_use_max`` is the largest share of the KV cache in use.
    ``bound_by`` says what most of the time went to: ``weights``, ``kv-cache``, ``compute``, ``host``,
    ``communication``, or ``arrivals`` where the server
    waits for requests. ``interval`` holds the bounds of each mean by name (``tpot_s``). ``assumptions`` are sentences.
    """

    ttft: Spread
    tpot: Spread
    itl: Spread
    e2e: Spread
    output_tokens_per_s: float
    total_tokens_per_s: float
    requests_per_s: float
    running_mean: float
    kv_use_max: float
    preemptions: int
    bound_by: str
    duration: float = 0.0
    interval: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    assumptions: tuple[str, ...] = ()
