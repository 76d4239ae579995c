"""A scenario: what the requests look like, what matters about the answers, and what may be traded for it."""

from __future__ import annotations

from llmtune.spec.record import dataclass


@dataclass(frozen=True, slots=True)
class Tokens:
    """A token count by its median and its 95th percentile."""

    p50: int
    p95: int


@dataclass(frozen=True, slots=True)
class Workload:
    """The requests: tokens in and out, and how many are in flight at once."""

    prompt: Tokens
    output: Tokens
    concurrency: int

    @property
    def context(self) -> int:
        """Tokens one long request needs: the 95th percentiles of prompt and output together."""
        return self.prompt.p95 + self.output.p95

    @property
    def typical(self) -> int:
        """Tokens a median request holds in the KV cache when it is done."""
        return self.prompt.p50 + self.output.p50


@dataclass(frozen=True, slots=True)
class Targets:
    """What the answers should reach: seconds to the first token and per further token."""

    ttft: float | None = None
    tpot: float | None = None


@dataclass(frozen=True, slots=True)
class Policy:
    """What a recommendation may do to memory and speed.

    ``gpu_memory_utilization`` None keeps the engine's default. ``headroom`` is the share of the GPU's memory that stays
    outside the budget whatever else is said. ``max_num_seqs`` bounds the choice. ``kv_cache_dtypes`` may be chosen in
    this order, the next only when the one before does not meet the need. ``max_num_batched_tokens`` None keeps the
    engine's default. ``prefix_caching`` None keeps the engine's default.
    """

    aim: str
    gpu_memory_utilization: float | None
    headroom: float
    max_num_seqs: tuple[int, int]
    kv_cache_dtypes: tuple[str, ...]
    max_num_batched_tokens: int | None = None
    prefix_caching: bool | None = None
    chunked_prefill: bool | None = None


@dataclass(frozen=True, slots=True)
class SamplingDefault:
    """A sampling parameter the server uses when a request does not say, and why."""

    name: str
    value: float
    reason: str


@dataclass(frozen=True, slots=True)
class Scenario:
    """A named scenario; ``reasons`` say why a policy is what it is, by policy key."""

    name: str
    title: str
    description: str
    workload: Workload
    targets: Targets
    policy: Policy
    sampling: tuple[SamplingDefault, ...]
    reasons: dict[str, str]
    source: str = "preset"
