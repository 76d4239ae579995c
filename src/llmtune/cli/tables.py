"""What ``list`` and ``show`` print: rows and facts of the catalogue, as aligned text or JSON."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from llmtune.catalog import engines, gpus, instances, models, scenarios

if TYPE_CHECKING:
    from collections.abc import Sequence

    from llmtune.spec.model import Model

GIB = 2**30


def listing(kind: str, format_: str) -> str:
    """All things of a kind."""
    rows = ROWS[kind]()
    if format_ == "json":
        return json.dumps({"schema": f"llmtune/list-{kind}/1", kind: rows}, indent=2, ensure_ascii=False) + "\n"
    head = [[key.replace("_", " ") for key in rows[0]]] if rows else []
    return _aligned([*head, *([_cell(value) for value in row.values()] for row in rows)])


def facts(kind: str, name: str, format_: str, *, offline: bool) -> str:
    """Everything known of one thing."""
    known = _model(name, offline=offline) if kind == "model" else FACTS[kind](name)
    if format_ == "json":
        return json.dumps({"schema": f"llmtune/show-{kind}/1", **known}, indent=2, ensure_ascii=False) + "\n"
    return _aligned([[key.replace("_", " "), _cell(value)] for key, value in known.items() if value not in (None, "")])


def _gpu_rows() -> list[dict[str, Any]]:
    found = [gpus.load(name) for name in gpus.names()]
    return [
        {
            "name": gpu.name,
            "memory_gib": round(gpu.total_memory / GIB, 2),
            "bandwidth_gb_s": round(gpu.bandwidth / 1e9) if gpu.bandwidth else None,
            "capability": gpu.capability or gpu.gfx,
            "product": gpu.product,
        }
        for gpu in found
    ]


def _instance_rows() -> list[dict[str, Any]]:
    found = [instances.load(name) for name in instances.names()]
    return [{"name": one.name, "cloud": one.cloud, "gpus": one.gpus, "gpu": one.gpu} for one in found]


def _model_rows() -> list[dict[str, Any]]:
    found = [models.find(name) for name in models.names()]
    return [
        {
            "id": one.id,
            "parameters": f"{one.parameters / 1e9:.1f} B" if one.parameters else None,
            "architecture": (one.config.get("architectures") or [None])[0],
        }
        for one in found
    ]


def _scenario_rows() -> list[dict[str, Any]]:
    found = [scenarios.find(name) for name in scenarios.names()]
    return [{"name": one.name, "description": one.description} for one in found]


def _version_rows() -> list[dict[str, Any]]:
    return [{"release": name, "options": len(engines.find(name).options)} for name in engines.names()]


def _rule_rows() -> list[dict[str, Any]]:
    from llmtune.rules import rules  # noqa: PLC0415 - a hundred modules

    return [
        {"name": rule.name, "severity": rule.severity, "confidence": rule.confidence, "what": rule.title}
        for rule in rules().values()
    ]


def _gpu(name: str) -> dict[str, Any]:
    gpu = gpus.find(name)
    known = asdict(gpu)
    if gpu.compute_capability:
        known["compute_capability"] = gpu.capability
    known["total_memory_gib"] = round(gpu.total_memory / GIB, 2)
    known["flops"] = {dtype: f"{rate / 1e12:g} TFLOP/s" for dtype, rate in gpu.flops.items()}
    return known


def _instance(name: str) -> dict[str, Any]:
    return asdict(instances.find(name))


def _scenario(name: str) -> dict[str, Any]:
    return asdict(scenarios.find(name))


def _version(name: str) -> dict[str, Any]:
    engine = engines.find(name)
    return {
        "release": engine.release,
        "note": engine.note,
        "options": len(engine.options),
        "behaviour": dict(engine.behaviour),
    }


def _model(name: str, *, offline: bool) -> dict[str, Any]:
    from llmtune.calc.weights import Split, weigh_whole  # noqa: PLC0415 - only for models
    from llmtune.cli.loading import load_model  # noqa: PLC0415

    model = load_model(name, offline=offline)
    return {
        "id": model.id,
        "architecture": model.architecture,
        "family": model.family,
        "parameters": model.parameters,
        "weights_gib": round(weigh_whole(model, Split(1, 1, 1, None)) / GIB, 2),
        "layers": model.layers,
        "hidden_size": model.hidden,
        "heads": model.heads,
        "kv_heads": model.kv_heads,
        "head_dim": model.head_dim,
        "vocabulary": model.vocab,
        "max_context": model.max_context,
        "dtype": model.dtype,
        "quantization": model.quantization,
        "kv_cache": _caches(model),
        "source": model.source,
        "notes": list(model.notes),
    }


def _caches(model: Model) -> list[str]:
    """What each kind of layer keeps, and how many layers are of the kind."""
    lines: dict[str, int] = {}
    for number in model.pattern:
        for cache in model.groups[number].caches:
            values = ", ".join(f"{key} {value}" for key, value in asdict(cache).items() if value and key != "states")
            line = f"{type(cache).__name__} ({values})"
            lines[line] = lines.get(line, 0) + 1
    return [f"{count} x {line}" for line, count in lines.items()]


ROWS = {
    "gpus": _gpu_rows,
    "instances": _instance_rows,
    "models": _model_rows,
    "scenarios": _scenario_rows,
    "versions": _version_rows,
    "rules": _rule_rows,
}
FACTS = {"gpu": _gpu, "instance": _instance, "scenario": _scenario, "version": _version}


def _cell(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, dict):
        return "; ".join(f"{key} {_cell(inner)}" for key, inner in value.items()) or "-"
    if isinstance(value, list | tuple):
        return "; ".join(_cell(inner) for inner in value) or "-"
    return str(value)


def _aligned(rows: Sequence[Sequence[str]]) -> str:
    """Columns as wide as their longest cell; the last one as it is."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)][:-1]
    lines = [
        "  ".join([*(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=False)), row[-1]]) for row in rows
    ]
    return "".join(line.rstrip() + "\n" for line in lines)
