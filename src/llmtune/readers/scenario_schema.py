"""The schema of a scenario file: what pydantic checks and docs/reference/scenario.schema.json publishes.

The one module that imports pydantic when it is imported itself; only ``readers.scenario`` does that, and only for a
user's own file.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Count = Annotated[int, Field(ge=1, le=100_000_000)]
Requests = Annotated[int, Field(ge=1, le=1_000_000)]
Seconds = Annotated[float, Field(gt=0, strict=False)]


class Strict(BaseModel):
    """No unknown keys, no silent conversions."""

    model_config = ConfigDict(extra="forbid", strict=True)


class PercentilesFile(Strict):
    """Tokens by median and 95th percentile."""

    p50: Count
    p95: Count


class WorkloadFile(Strict):
    """What the requests look like."""

    prompt_tokens: PercentilesFile
    output_tokens: PercentilesFile
    concurrency: Requests


class TargetsFile(Strict):
    """What the answers should reach, in seconds."""

    ttft: Seconds | None = None
    tpot: Seconds | None = None


class PolicyFile(Strict):
    """What a recommendation may do."""

    aim: Literal["balanced", "latency", "throughput", "memory"]
    gpu_memory_utilization: Annotated[float, Field(gt=0, le=1, strict=False)] | None = None
    headroom: Annotated[float, Field(ge=0, lt=1, strict=False)] = 0.05
    max_num_seqs: Annotated[list[Requests], Field(min_length=2, max_length=2, description="lowest and highest")]
    kv_cache_dtypes: Annotated[list[str], Field(min_length=1, default_factory=lambda: ["auto"])]
    max_num_batched_tokens: Count | None = None
    prefix_caching: bool | None = None
    chunked_prefill: bool | None = None


class SamplingFile(Strict):
    """A sampling default and why."""

    value: Annotated[float, Field(strict=False)]
    reason: Annotated[str, Field(min_length=1)]


class ScenarioFile(Strict):
    """A scenario."""

    title: str
    description: str
    workload: WorkloadFile
    targets: Annotated[TargetsFile, Field(default_factory=TargetsFile)]
    policy: PolicyFile
    reasons: Annotated[dict[str, str], Field(default_factory=dict)]
    sampling: Annotated[dict[str, SamplingFile], Field(default_factory=dict)]
