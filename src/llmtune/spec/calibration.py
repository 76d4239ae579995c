"""What a real start-up measured: a log's figures, the record that is kept of them, and what it corrects.

Sizes in bytes, lengths in tokens; None where nothing was printed.
"""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING

from llmtune.spec.record import dataclass

if TYPE_CHECKING:
    from collections.abc import Mapping

    from llmtune.spec.deployment import Value
    from llmtune.spec.performance import Load


@dataclass(frozen=True, slots=True)
class Figures:
    """What one worker printed.

    ``weights`` with everything that loading allocates. ``activations`` is the peak without graphs; ``peak`` the peak
    of a release that adds the estimate of the graphs to it, where the log does not tell them apart. ``consumed`` is
    weights, buffers and non-torch memory together (from 0.27 on). ``kv_cache`` is what was left, below zero where the
    rest took more than the budget.
    """

    total: int | None = None
    free: int | None = None  # when the engine looked, before it loaded anything
    weights: int | None = None
    activations: int | None = None
    peak: int | None = None
    non_torch: int | None = None
    consumed: int | None = None
    kv_cache: int | None = None
    graphs_estimated: int | None = None
    graphs_taken: int | None = None


@dataclass(frozen=True, slots=True)
class Worker:
    """One process of the engine with its figures; ``name`` as the log calls it, without host and process id."""

    name: str
    figures: Figures


@dataclass(frozen=True, slots=True)
class StartupLog:
    """What a start-up log says. ``arguments`` are the settings that were given, by flag; ``config`` what they became.

    ``failures`` are kinds of known errors in the order of the log; ``notes`` say what is missing or was left out.
    """

    release: str | None = None
    runner: str | None = None  # v0, v1 or v2, where the log tells
    model: str | None = None
    arguments: Mapping[str, Value] = field(default_factory=dict)
    config: Mapping[str, Value] = field(default_factory=dict)
    has_arguments: bool = False
    unread: tuple[str, ...] = ()  # flags whose values are printed in a form that cannot be read
    workers: tuple[Worker, ...] = ()
    tokens: int | None = None
    blocks: int | None = None
    concurrency: float | None = None
    length: int | None = None  # the one that concurrency is about
    utilization: float | None = None
    batched_tokens: int | None = None
    graphs_charged: bool | None = None
    kv_cache_given: bool = False  # --kv-cache-memory-bytes: nothing was measured
    failures: tuple[str, ...] = ()
    measured: str | None = None  # the date in the log: 2026-03-12, or 03-12 where no year is printed
    starts: int = 1
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Identity:
    """What memory depends on: two start-ups with equal identities use the same memory.

    ``settings`` are resolved ones, ``others`` what else was set; ``model`` are sizes of the model, not its name.
    """

    gpu: str
    total_memory: int
    release: str
    family: str
    model: Mapping[str, Value]
    settings: Mapping[str, Value]
    others: Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class Timing:
    """What a benchmark measured under a load: means over its requests, in seconds; None where it did not say."""

    load: Load
    ttft: float | None = None
    tpot: float | None = None
    output_tokens_per_s: float | None = None


@dataclass(frozen=True, slots=True)
class Record:
    """What was measured of a deployment, for later estimates: a start-up (``figures``), benchmarks (``times``).

    ``utilization`` is the share that ``kv_cache`` was left of.
    """

    name: str
    model: str
    identity: Identity
    utilization: float
    figures: Figures
    workers: int = 1
    tokens: int | None = None
    blocks: int | None = None
    measured: str | None = None
    times: tuple[Timing, ...] = ()


@dataclass(frozen=True, slots=True)
class Corrections:
    """What a record changes: bytes to add to the parts that are charged and to those outside the budget.

    Charged parts that are ``known``, and all of ``outside``, lose their interval but for ``slack``, since they were
    measured; without slack intervals move along. ``said`` is for the reader.
    """

    said: str
    charged: Mapping[str, int]
    outside: Mapping[str, int] = field(default_factory=dict)
    known: frozenset[str] = frozenset()
    slack: int = 0


@dataclass(frozen=True, slots=True)
class Comparison:
    """One figure of a log beside what is predicted; ``unit`` is bytes, tokens, blocks or x."""

    name: str
    predicted: float | None
    measured: float | None
    unit: str = "bytes"
