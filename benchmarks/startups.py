"""Predicted against measured memory of real vLLM start-ups.

    python benchmarks/startups.py [--release 0.19.0] [--without PREFIX]

One line a start-up: weights, activations and KV cache per GPU in GiB as the log printed them, as llmtune predicts
them, and the difference. The last lines say how far off it is in the middle and for nine in ten. ``--without`` leaves
out rows whose id starts so: many come from one machine. Rows of patched builds and of models that the catalogue does
not have are counted and not scored.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median, quantiles
from typing import TYPE_CHECKING, Any

from llmtune.architectures import read_model
from llmtune.architectures.config import ConfigError
from llmtune.architectures.quantize import quantize_online
from llmtune.calc.memory import estimate_memory
from llmtune.calc.moe_buffers import expert_workspace
from llmtune.calc.persistent import absorbed_projections, expert_layout, lora_slots, rotary_tables
from llmtune.calc.resolve import resolve
from llmtune.calc.stages import stage_layers
from llmtune.calc.switches import on
from llmtune.catalog import UnknownName, engines, gpus, models
from llmtune.cli.found_hardware import described_gpu
from llmtune.spec.deployment import Deployment, Setting
from llmtune.spec.hardware import Hardware

if TYPE_CHECKING:
    from collections.abc import Sequence

    from llmtune.spec.deployment import Resolved
    from llmtune.spec.engine import EngineVersion
    from llmtune.spec.hardware import Gpu
    from llmtune.spec.memory import Memory
    from llmtune.spec.model import Model

ROWS = Path(__file__).parent / "data" / "startups.json"
GIB = 2**30
CLOSE = 0.02  # share of the measured weights within which a prediction counts as right
DETAIL = ("weights", "activations", "KV cache")


@dataclass(frozen=True, slots=True)
class Result:
    """One start-up: measured and predicted GiB by part, and what kept it from being scored."""

    id: str
    model: str
    release: str
    measured: dict[str, float]
    predicted: dict[str, float]
    interval: tuple[float, float] = (0.0, 0.0)
    skipped: str = ""


def main() -> None:
    """Print the table and the summary."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--release", help="only this release")
    parser.add_argument("--without", action="append", default=[], help="leave out ids that start so")
    chosen = parser.parse_args()
    rows = json.loads(ROWS.read_text(encoding="utf-8"))
    results = [
        compare(row)
        for row in rows
        if chosen.release in {None, row["release"]} and not row["id"].startswith(tuple(chosen.without))
    ]
    print(f"{'start-up':44} {'release':8} " + " ".join(f"{name + ' (GiB)':>27}" for name in DETAIL))
    for result in results:
        if not result.skipped:
            print(_line(result))
    _summary(results)


def compare(row: dict[str, Any]) -> Result:
    """Predict one start-up."""
    measured = {
        "weights": row["measured"].get("weights_gib_per_gpu"),
        "activations": row["measured"].get("activation_peak_gib"),
        "KV cache": row["measured"].get("kv_cache_gib_per_gpu"),
    }
    there = {name: value for name, value in measured.items() if value is not None}
    empty = Result(row["id"], row["model"], row["release"], there, {})
    if row["modified_build"]:
        return replace(empty, skipped="patched build")
    if row["gpu"] is None or not there:
        return replace(empty, skipped="no GPU or no figures in the log")
    try:
        model = _model(row)
        engine = engines.find(row["release"])
    except (UnknownName, ConfigError) as error:
        return replace(empty, skipped=f"not in the catalogue: {error}".partition(".")[0])
    gpu = _gpu(row["gpu"])
    if row["total_gib"]:
        gpu = replace(gpu, total_memory=int(row["total_gib"] * GIB))
    settings = tuple(Setting(flag, value) for flag, value in row["settings"].items() if flag != "quantization")
    deployment = Deployment(row["model"], settings, row.get("environment", {}))
    hardware = Hardware(gpu, max(row["count"] or 1, 1))
    resolved = resolve(deployment, model, hardware, engine)
    memory = estimate_memory(deployment, model, resolved, hardware, engine)
    if memory.kv is None and len(memory.parts) == 1:
        return replace(empty, skipped=f"refused: {memory.failure.engine_message if memory.failure else ''}"[:90])
    interval = (memory.kv_low / GIB, memory.kv_high / GIB)
    return replace(empty, predicted=_predicted(memory, model, resolved, engine, hardware=hardware), interval=interval)


def _gpu(found: str | dict[str, Any]) -> Gpu:
    """A GPU of the catalogue, or a card of which only the compute capability is known."""
    if isinstance(found, str):
        return gpus.find(found)
    major, minor = found["compute_capability"]
    return described_gpu("a card", total_memory=0, capability=(major, minor), source="the log")


def _model(row: dict[str, Any]) -> Model:
    facts = models.find(row["model"])
    config, quantization = facts.config, facts.quantization
    if "quantization_config" in row:
        config, quantization = {**config, "quantization_config": row["quantization_config"]}, None
    model = read_model(config, quantization, model_id=facts.id, source=facts.source)
    method = row["settings"].get("quantization")
    return quantize_online(model, method) if method and model.quantization is None else model


def _predicted(
    memory: Memory, model: Model, resolved: Resolved, engine: EngineVersion, *, hardware: Hardware
) -> dict[str, float]:
    """The parts as the log groups them: loading counts as weights, and the experts' work space as activations."""
    stage = memory.rank // resolved.tensor_parallel
    layers = stage_layers(model.layers, resolved.pipeline_parallel)[stage]
    loaded = memory.part("weights").bytes + rotary_tables(model, resolved).bytes
    loaded += absorbed_projections(model, resolved, layers).bytes + lora_slots(model, resolved, layers).bytes
    loaded += expert_layout(model, resolved, gpu=hardware.gpu, layers=layers).bytes
    cache = memory.part("KV cache").bytes
    peak = memory.part("activations").bytes
    if on(engine, "memory.moe_workspace_persistent"):
        peak += expert_workspace(model, resolved, engine).bytes
    return {"weights": loaded / GIB, "activations": peak / GIB, "KV cache": cache / GIB}


def _line(result: Result) -> str:
    cells = []
    for name in DETAIL:
        real = result.measured.get(name)
        if real is None:
            cells.append(" " * 27)
        else:
            cells.append(f"{real:8.2f} {result.predicted[name]:8.2f} {result.predicted[name] - real:+9.2f}")
    return f"{result.id[:44]:44} {result.release:8} " + " ".join(cells)


def _summary(results: Sequence[Result]) -> None:
    scored = [result for result in results if not result.skipped]
    print(f"\n{len(scored)} scored, {len(results) - len(scored)} not")
    for reason, count in Counter(result.skipped.partition(":")[0] for result in results if result.skipped).items():
        print(f"  {count} {reason}")
    for name in DETAIL:
        pairs = [(one.measured[name], one.predicted[name]) for one in scored if name in one.measured]
        if len(pairs) > 1:
            print(_spread(name, pairs))
    inside = [
        one.interval[0] - 0.01 <= one.measured["KV cache"] <= one.interval[1] + 0.01
        for one in scored
        if "KV cache" in one.measured
    ]
    print(f"KV cache inside its interval: {sum(inside)} of {len(inside)}")


def _spread(name: str, pairs: Sequence[tuple[float, float]]) -> str:
    absolute = [abs(predicted - real) for real, predicted in pairs]
    shares = [abs(predicted - real) / abs(real) for real, predicted in pairs if real]
    close = sum(share <= CLOSE for share in shares)
    return (
        f"{name:12} {len(pairs):3} rows; off by {median(absolute):.2f} GiB in the middle, "
        f"{quantiles(absolute, n=10)[-1]:.2f} for nine in ten; {close} of {len(shares)} within {CLOSE:.0%}"
    )


if __name__ == "__main__":
    main()
