"""``--format json`` of the commands that predict performance (docs/reference/json.md). Seconds, rates per second."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

from llmtune.reports import json as report

if TYPE_CHECKING:
    from llmtune.spec.memory import Memory
    from llmtune.spec.performance import Load, Performance, Spread
    from llmtune.spec.simulation import Arrivals, Simulation

SIMULATION = "llmtune/simulation/1"
SPREADS = {"ttft_s": "ttft", "tpot_s": "tpot", "itl_s": "itl", "e2e_s": "e2e"}
PLAIN = (
    "output_tokens_per_s", "total_tokens_per_s", "requests_per_s", "running_mean", "kv_use_max", "preemptions",
    "bound_by",
)  # fmt: skip


def simulation(result: Simulation) -> str:
    """A prediction as a document."""
    shown = report.describe(result.estimate)
    return report.dump(
        {
            "schema": SIMULATION,
            **{key: shown[key] for key in ("model", "engine_version", "hardware", "settings")},
            "memory": memory(result.estimate.memory),
            **{key: shown[key] for key in ("fits", "verdict", "failure", "engine_message")},
            "load": {**load(result.load), "scenario": result.scenario or None},
            "performance": performance(result.performance),
            "interval": interval(result.performance),
            "arrivals": arrivals(result.arrivals),
            "assumptions": list(result.assumptions),
            "warnings": list(result.estimate.warnings),
        }
    )


def performance(found: Performance | None) -> dict[str, Any] | None:
    """What was predicted; null where the engine does not start."""
    if found is None:
        return None
    spreads = {name: spread(getattr(found, field)) for name, field in SPREADS.items()}
    return {**spreads, **{name: getattr(found, name) for name in PLAIN}, "duration_s": found.duration}


def interval(found: Performance | None) -> dict[str, list[float]]:
    """Lower and upper bound of each mean."""
    return {name: list(bounds) for name, bounds in found.interval.items()} if found is not None else {}


def arrivals(found: Arrivals | None) -> dict[str, Any] | None:
    """What the server does while requests come; null where they come at no rate."""
    if found is None:
        return None
    rates = ("sustained_per_s", "requests_per_s", "output_tokens_per_s", "total_tokens_per_s")
    return {"keeps_up": found.keeps_up, **{name: getattr(found, name) for name in rates}, "drain_s": found.drain}


def spread(found: Spread) -> dict[str, float]:
    """Mean and percentiles."""
    return {field.name: getattr(found, field.name) for field in fields(found)}


def load(asked: Load) -> dict[str, Any]:
    """The requests."""
    return {
        "prompt_tokens": {"p50": asked.prompt.p50, "p95": asked.prompt.p95},
        "output_tokens": {"p50": asked.output.p50, "p95": asked.output.p95},
        "concurrency": asked.concurrency,
        "rate_per_s": asked.rate,
        "offline": asked.offline,
        "requests": asked.requests or None,
        "prefix_hit": asked.prefix_hit,
        "seed": asked.seed,
    }


def memory(plan: Memory) -> dict[str, Any]:
    """The memory plan in short; `llmtune estimate` has all of it."""
    kv = plan.kv
    return {
        "total_bytes": plan.total,
        "weights_bytes": next((part.bytes for part in plan.parts if part.name == "weights"), 0),
        "kv_cache_bytes": next((part.bytes for part in plan.parts if part.name == "KV cache"), 0),
        "kv_cache_tokens": kv.tokens if kv is not None else None,
        "max_concurrency": kv.max_concurrency if kv is not None else None,
    }
