"""Predicted against measured memory of real vLLM start-ups.

    python benchmarks/startups.py [--release 0.19.0] [--without PREFIX] [--left-out]

One line a start-up: weights, activations, non-torch memory and KV cache per GPU in GiB as the log printed them, as
llmtune predicts them, and the difference. Then how far off it is in the middle and for nine in ten: with every
constant as shipped (in sample), and with each source of logs predicted from constants that never saw it (left out:
``Constant.without``). The error of the KV cache is relative to the measured KV cache itself. Rows that cannot be scored
are counted with the reason. ``docs/concepts/accuracy.md`` is made of the same figures (``startup_page.py``).
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import median, quantiles
from typing import TYPE_CHECKING, Any

from llmtune.architectures import read_model
from llmtune.architectures.config import ConfigError
from llmtune.architectures.quantize import quantize_online
from llmtune.calc import activations, cuda_graphs, non_torch
from llmtune.calc.constant import Constant
from llmtune.calc.memory import estimate_memory
from llmtune.calc.moe_buffers import expert_workspace
from llmtune.calc.persistent import absorbed_projections, expert_layout, lora_slots, rotary_tables
from llmtune.calc.resolve import resolve
from llmtune.calc.shares import Site, shares_of
from llmtune.calc.stages import stage_layers
from llmtune.calc.switches import on
from llmtune.catalog import UnknownName, engines, gpus, models
from llmtune.cli.found_hardware import described_gpu
from llmtune.spec.deployment import Deployment, Setting
from llmtune.spec.hardware import Hardware

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from llmtune.calc.shares import Share
    from llmtune.spec.hardware import Gpu
    from llmtune.spec.model import Model

ROWS = Path(__file__).parent / "data" / "startups.json"
GIB = 2**30
PARTS = {
    "weights": "weights_gib_per_gpu",
    "activations": "activation_peak_gib",
    "non-torch": "non_torch_gib",
    "KV cache": "kv_cache_gib_per_gpu",
}
TESTBED = "llm-d-planner"  # 40 start-ups on one machine: the figures are given with them and without
SOURCES = {"planner-": TESTBED, "llmdbench-": TESTBED}
FITTED = (activations, cuda_graphs, non_torch)  # modules whose constants rest on start-ups
STARTED = frozenset({"started", "oom_graph", "oom_runtime"})
PRINTED = 0.01  # GiB: what a log rounds to


@dataclass(frozen=True, slots=True)
class Result:
    """One start-up: measured and predicted GiB by part, and what kept it from being scored."""

    row: dict[str, Any]
    measured: dict[str, float] = field(default_factory=dict)
    predicted: dict[str, float] = field(default_factory=dict)
    interval: tuple[float, float] = (0.0, 0.0)
    verdict: str = ""
    failure: str = ""
    skipped: str = ""

    @property
    def source(self) -> str:
        """Where the log comes from: one testbed, or one public thread."""
        return source_of(self.row)

    @property
    def testbed(self) -> bool:
        """Whether it comes from the machine that most rows come from."""
        return self.source == TESTBED

    def off(self, part: str) -> float:
        """Predicted minus measured, GiB."""
        return self.predicted[part] - self.measured[part]

    def share(self, part: str) -> float:
        """How far off, as a share of what was measured."""
        return abs(self.off(part)) / abs(self.measured[part])

    @property
    def inside(self) -> bool:
        """Whether the measured KV cache lies in the predicted interval."""
        low, high = self.interval
        return low - PRINTED <= self.measured["KV cache"] <= high + PRINTED


def main() -> None:
    """Print the table and the summary."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--release", help="only this release")
    parser.add_argument("--without", action="append", default=[], help="leave out ids that start so")
    parser.add_argument("--left-out", action="store_true", help="show the rows as predicted without their own source")
    chosen = parser.parse_args()
    rows = [
        row
        for row in json.loads(ROWS.read_text(encoding="utf-8"))
        if chosen.release in {None, row["release"]} and not row["id"].startswith(tuple(chosen.without))
    ]
    fitted, left_out = compare_all(rows), compare_all(rows, leave_out=True)
    print(f"{'start-up':44} {'release':8} " + " ".join(f"{name + ' (GiB)':>23}" for name in PARTS))
    for result in left_out if chosen.left_out else fitted:
        if not result.skipped:
            print(_line(result))
    scored = [result for result in fitted if not result.skipped]
    print(f"\n{len(scored)} scored, {len(fitted) - len(scored)} not")
    for reason, count in Counter(result.skipped for result in fitted if result.skipped).most_common():
        print(f"  {count} {reason}")
    for name, results in (("in sample", fitted), ("left out", left_out)):
        print(f"\n{name}")
        for line in summary(results):
            print(f"  {line}")
    print(f"\nstarts or not: {confusion(fitted)}")


def compare_all(rows: Iterable[dict[str, Any]], *, leave_out: bool = False) -> list[Result]:
    """Every row predicted; with ``leave_out`` from constants that have not seen the row's own source."""
    results = []
    for row in rows:
        with without(source_of(row) if leave_out else ""):
            results.append(compare(row))
    return results


def source_of(row: dict[str, Any]) -> str:
    """The source of a row, by the name that constants know it by."""
    return next((name for prefix, name in SOURCES.items() if row["id"].startswith(prefix)), str(row["id"]))


@contextmanager
def without(source: str) -> Iterator[None]:
    """Constants as they would be had a source not been seen."""
    kept = [(module, name, value) for module in FITTED for name, value in vars(module).items()]
    constants = [(module, name, value) for module, name, value in kept if isinstance(value, Constant)]
    names = {known for _, _, value in constants for known, _ in value.observed if source.startswith(known)}
    for module, name, value in constants:
        setattr(module, name, value.without(next(iter(names), source)))
    try:
        yield
    finally:
        for module, name, value in constants:
            setattr(module, name, value)


def compare(row: dict[str, Any]) -> Result:
    """Predict one start-up."""
    there = {name: row["measured"][key] for name, key in PARTS.items() if row["measured"].get(key) is not None}
    empty = Result(row, there)
    if "unscored" in row:
        return replace(empty, skipped=row["unscored"])
    if row["gpu"] is None:
        return replace(empty, skipped="the GPU is not named")
    try:
        model = _model(row)
    except (UnknownName, ConfigError) as error:
        return replace(empty, skipped=f"not in the catalogue: {error}".partition(".")[0])
    gpu = _gpu(row["gpu"])
    if row["total_gib"]:
        gpu = replace(gpu, total_memory=int(row["total_gib"] * GIB))
    engine = engines.find(row["release"])
    settings = tuple(Setting(flag, value) for flag, value in row["settings"].items() if flag != "quantization")
    deployment = Deployment(row["model"], settings, row.get("environment", {}))
    hardware = Hardware(gpu, max(row["count"] or 1, 1))
    site = Site(deployment, model, resolve(deployment, model, hardware, engine), hardware, engine)
    memory = estimate_memory(deployment, model, site.resolved, hardware, engine)
    result = replace(empty, verdict=memory.verdict, failure=memory.failure.kind if memory.failure else "")
    if not there:
        return result
    if len(memory.parts) == 1:
        return replace(
            result, measured={}, skipped="" if row["outcome"] not in STARTED else f"refused: {result.failure}"
        )
    share = _printed_stage(shares_of(site), there)
    interval = (share.low / GIB, share.high / GIB)
    return replace(result, predicted=_predicted(site, share), interval=interval)


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


def _printed_stage(shares: Sequence[Share], measured: dict[str, float]) -> Share:
    """The pipeline stage whose log was kept: the one with the KV cache that is nearest to the printed one."""
    printed = measured.get("KV cache", 0.0) * GIB
    return min(shares, key=lambda share: abs(share.available - printed))


def _predicted(site: Site, share: Share) -> dict[str, float]:
    """The parts as the log groups them: loading counts as weights, and the experts' work space as activations."""
    model, resolved, engine = site.model, site.resolved, site.engine
    layers = stage_layers(model.layers, resolved.pipeline_parallel)[share.stage]
    parts = {part.name: part.bytes for part in share.charged}
    loaded = parts["weights"] + rotary_tables(model, resolved).bytes
    loaded += absorbed_projections(model, resolved, layers).bytes + lora_slots(model, resolved, layers).bytes
    loaded += expert_layout(model, resolved, gpu=site.hardware.gpu, layers=layers).bytes
    peak = parts["activations"]
    if on(engine, "memory.moe_workspace_persistent"):
        peak += expert_workspace(model, resolved, engine).bytes
    found = {"weights": loaded, "activations": peak, "non-torch": parts["non-torch"], "KV cache": share.available}
    return {name: size / GIB for name, size in found.items()}


def _line(result: Result) -> str:
    cells = []
    for name in PARTS:
        if name not in result.measured or name not in result.predicted:
            cells.append(" " * 23)
        else:
            cells.append(f"{result.measured[name]:7.2f} {result.predicted[name]:7.2f} {result.off(name):+7.2f}")
    return f"{result.row['id'][:44]:44} {result.row['release']:8} " + " ".join(cells)


def with_part(results: Iterable[Result], part: str, *, testbed: bool | None = None) -> list[Result]:
    """The results that have a part measured and predicted, of the testbed, of the others, or of both."""
    return [
        result
        for result in results
        if not result.skipped
        and part in result.measured
        and part in result.predicted
        and testbed in {None, result.testbed}
    ]


def middle(shares: Sequence[float]) -> tuple[float, float]:
    """The median and what nine in ten stay below."""
    if len(shares) < 2:  # noqa: PLR2004 - no quantiles of one
        return (shares[0], shares[0]) if shares else (0.0, 0.0)
    return median(shares), quantiles(shares, n=10, method="inclusive")[-1]


def summary(results: Sequence[Result]) -> Iterator[str]:
    """How far off, part by part, and how many KV caches lie inside their interval."""
    for title, testbed in (("one H100 testbed", True), ("all other sources", False)):
        for part in PARTS:
            found = with_part(results, part, testbed=testbed)
            if found:
                share = middle([result.share(part) for result in found])
                size = middle([abs(result.off(part)) for result in found])
                yield (
                    f"{title:18} {part:12} {len(found):3} rows; off by {share[0]:6.1%} in the middle, "
                    f"{share[1]:6.1%} for nine in ten ({size[0]:.2f} and {size[1]:.2f} GiB)"
                )
    found = with_part(results, "KV cache")
    inside = sum(result.inside for result in found)
    yield f"KV cache inside its 90 % interval: {inside} of {len(found)} ({inside / len(found):.0%})"


def decidable(results: Iterable[Result]) -> list[Result]:
    """Rows of which it is known whether the engine started, for reasons that a plan can know."""
    return [
        result
        for result in results
        if result.verdict and "undecidable" not in result.row and result.row["outcome"] != "config_error"
    ]


def confusion(results: Iterable[Result]) -> Counter[tuple[str, str]]:
    """(what happened, what was said) with how often."""
    return Counter(("started" if started(result) else "failed", result.verdict) for result in decidable(results))


def started(result: Result) -> bool:
    """Whether the engine came as far as serving."""
    return str(result.row["outcome"]) == "started"


if __name__ == "__main__":
    main()
