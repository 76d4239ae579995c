"""What a recommendation was chosen by, as JSON (docs/reference/json.md). Seconds, rates per second."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

from llmtune.reports import performance_json as times

if TYPE_CHECKING:
    from llmtune.spec.ranking import Effect, EngineDefault, FrontPoint, Ranking
    from llmtune.spec.recommendation import Recommendation


def ranking(answer: Recommendation) -> dict[str, Any]:
    """The fields of a recommendation that tell of times; null and empty where none were predicted."""
    found = answer.ranking
    if found is None:
        return {
            **dict.fromkeys(("objective", "targets", "load", "performance")),
            "interval": {},
            "engine_default": None,
            "misses": [],
            "effects": [],
            "front": [],
            "cost": None,
            "not_predicted": answer.unranked or None,
        }
    return {
        "objective": found.objective,
        "targets": {"ttft_s": found.targets.ttft, "tpot_s": found.targets.tpot},
        "load": times.load(found.load),
        "performance": {**(times.performance(found.performance) or {}), "tokens_per_gpu_per_s": found.tokens_per_gpu},
        "interval": times.interval(found.performance),
        "engine_default": _default(found.default),
        "misses": list(found.misses),
        "effects": [_effect(one) for one in found.effects],
        "front": [_point(one) for one in found.front],
        "cost": _cost(found),
        "not_predicted": None,
    }


def _default(found: EngineDefault) -> dict[str, Any]:
    return {
        "settings": {
            "max-num-batched-tokens": found.max_num_batched_tokens,
            "max-num-seqs": found.max_num_seqs,
            "gpu-memory-utilization": found.gpu_memory_utilization,
        },
        "performance": times.performance(found.performance),
        "starts": found.starts,
        "why_not": found.why_not or None,
    }


def _effect(one: Effect) -> dict[str, Any]:
    return {
        "setting": one.setting,
        "before": one.before,
        "after": one.after,
        "throughput": one.throughput,
        "ttft_s": one.ttft,
        "tpot_s": one.tpot,
        "itl_p99_s": one.itl_p99,
    }


def _point(one: FrontPoint) -> dict[str, Any]:
    return {
        "layout": one.layout,
        "tensor_parallel_size": one.tensor,
        "pipeline_parallel_size": one.pipeline,
        "data_parallel_size": one.data,
        "expert_parallel": one.experts,
        "concurrency": one.concurrency,
        "ttft_s": one.ttft,
        "tpot_s": one.tpot,
        "tokens_per_gpu_per_s": one.tokens_per_gpu,
        "meets_targets": one.meets,
    }


def _cost(found: Ranking) -> dict[str, Any] | None:
    if found.price is None:
        return None
    price = {field.name: getattr(found.price, field.name) for field in fields(found.price)}
    return {
        "usd_per_gpu_hour": price["per_hour"],
        "who": price["who"],
        "date": price["date"] or None,
        "source": price["source"] or None,
        "usd_per_million_output_tokens": found.cost,
    }
