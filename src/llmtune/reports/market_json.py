"""``compare --format json``: one document with a versioned schema (docs/reference/json.md)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from llmtune.reports import json as report
from llmtune.reports.performance_json import arrivals, interval, load, performance

if TYPE_CHECKING:
    from llmtune.spec.offer import Market, Offer

COMPARISON = "llmtune/gpu-comparison/1"


def market(found: Market) -> str:
    """A comparison as a document."""
    return report.dump(
        {
            "schema": COMPARISON,
            "model": {"id": found.model},
            "engine_version": found.release,
            "load": {**load(found.load), "scenario": found.scenario},
            "targets": {"ttft_s": found.targets.ttft, "tpot_s": found.targets.tpot},
            "sorted_by": found.sorted_by,
            "offers": [offer(one) for one in found.offers],
            "assumptions": list(found.notes),
        }
    )


def offer(one: Offer) -> dict[str, Any]:
    """One GPU; its figures are null where no number of them runs the model."""
    answer = one.answer
    settings = answer.deployment.settings if answer is not None and answer.deployment is not None else ()
    price = one.price
    return {
        "gpu": one.gpu.name,
        "product": one.gpu.product,
        "fits": one.fits,
        "why_not": one.why_not or None,
        "reason": one.reason or None,
        "tried": list(one.tried) if not one.fits else None,
        "gpus": one.gpus if one.fits else None,
        "settings": {setting.flag: setting.value for setting in settings},
        "performance": performance(one.performance),
        "interval": interval(one.performance),
        "arrivals": arrivals(one.arrivals),
        "meets_targets": not one.misses if one.fits else None,
        "missed": list(one.misses),
        "output_tokens_per_s_per_gpu": one.tokens_per_gpu if one.fits else None,
        "price": {"usd_per_gpu_hour": price.per_hour, "who": price.who, "date": price.date, "source": price.source}
        if price
        else None,
        "usd_per_hour": price.per_hour * one.gpus if price and one.fits else None,
        "usd_per_million_output_tokens": one.cost,
    }
