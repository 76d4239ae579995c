"""Benchmark results beside the prediction for their load, and the record that is kept of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from llmtune.calc.calibration import identify, matches
from llmtune.calc.shares import Site
from llmtune.cli.calibrations import file_to_change
from llmtune.cli.errors import UserError
from llmtune.cli.loads import MOST_REQUESTS, read_share, within_context
from llmtune.cli.predicting import predict_load, with_requests
from llmtune.cli.servers import estimate_words
from llmtune.readers.bench_result import is_bench_result, read_bench_results
from llmtune.spec.bench import BenchRow
from llmtune.spec.calibration import Figures, Record, Timing
from llmtune.spec.record import dataclass

if TYPE_CHECKING:
    from llmtune.cli.servers import HardwareOptions, Source
    from llmtune.spec.bench import BenchResult
    from llmtune.spec.performance import Performance
    from llmtune.spec.recommendation import Estimate

MOST_RESULTS = 100
LONGEST_NAME = 120
SPREADS = ("ttft", "tpot", "itl", "e2e")
RATES = ("output_tokens_per_s", "total_tokens_per_s", "requests_per_s")
JUDGED = ("ttft_mean", "tpot_mean", "output_tokens_per_s")


@dataclass(frozen=True, slots=True)
class Comparison:
    """One result with its rows, and what is said about its load."""

    result: BenchResult
    rows: tuple[BenchRow, ...]
    performance: Performance
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Benchmarks:
    """All results of one server."""

    estimate: Estimate
    comparisons: tuple[Comparison, ...]
    notes: tuple[str, ...]

    @property
    def worst(self) -> float:
        """The largest relative difference of TTFT, TPOT and output tokens a second."""
        rows = [row for one in self.comparisons for row in one.rows if row.name in JUDGED]
        return max((abs(row.difference) for row in rows), default=0.0)


def check_options(fail_over: float | None, name: str | None, *, save: bool, off: bool) -> None:
    """Refuse options that make no sense.

    Raises:
        UserError: naming them.

    """
    if fail_over is not None and not 0 <= fail_over <= 10_000:  # noqa: PLR2004 - percent
        raise UserError(f"--fail-over takes percent, e.g. 20, not {fail_over:g}")
    if save and off:
        raise UserError("--save and --no-calibration contradict each other; leave one out")
    if name is not None and (not name.strip() or len(name) > LONGEST_NAME or not name.isprintable()):
        raise UserError(f"--name must be a printable text of 1 to {LONGEST_NAME} characters")


def read_results(words: list[str], prefix_hit: str | None) -> tuple[tuple[BenchResult, ...], list[str]]:
    """The results that the first words name, and the words that are left: the server.

    Raises:
        UserError: when no result is named.
        ReadError: when one cannot be read.

    """
    paths: list[Path] = []
    rest = list(words)
    while rest:
        path = Path(rest[0])
        if path.is_dir() and not paths:
            paths += sorted(one for one in path.rglob("*.json") if is_bench_result(one) and one.stem != "summary")
            if not paths:
                raise UserError(f"no result of 'vllm bench serve --save-result' in {path}")
        elif is_bench_result(path) or not paths:
            paths.append(path)
        else:
            break
        rest.pop(0)
    if not paths:
        raise UserError("no result named; give a file that 'vllm bench serve --save-result' wrote")
    if len(paths) > MOST_RESULTS:
        raise UserError(f"{len(paths)} results are too many; give at most {MOST_RESULTS}")
    results = [result for path in paths for result in read_bench_results(path)]
    if prefix_hit is not None:
        share = read_share("--prefix-hit", prefix_hit)
        results = [replace(result, load=replace(result.load, prefix_hit=share)) for result in results]
    return tuple(results), rest


def compare(
    results: tuple[BenchResult, ...], server: list[str], hardware: HardwareOptions, source: Source
) -> Benchmarks:
    """Every result beside what is predicted for its load.

    Raises:
        UserError: when no server is named and the result names no model, or the server does not start.

    """
    notes = []
    if not server:
        model = results[0].model
        if not model:
            raise UserError("the result names no model; put the server behind it: -- vllm serve MODEL ...")
        server = ["vllm", "serve", model]
        notes.append(f"no server was named: taken to be 'vllm serve {model}' with defaults")
    estimate = estimate_words(server, hardware, source)
    failure = estimate.memory.failure
    if failure is not None:
        raise UserError(f"this server is predicted not to start: {failure.engine_message}; name the one that ran")
    others = {result.model for result in results} - {estimate.model.id, ""}
    if others:
        notes.append(f"the results are of {', '.join(sorted(others))}, the prediction of {estimate.model.id}")
    found = tuple(_compared(result, estimate, source) for result in results)
    return Benchmarks(estimate, found, (*notes, *estimate.assumptions))


def _compared(result: BenchResult, estimate: Estimate, source: Source) -> Comparison:
    load, said = within_context(result.load, estimate.resolved)
    if load.requests > MOST_REQUESTS:
        load, counted = with_requests(load)
        said = (*said, *counted)
    performance = predict_load(estimate, load, records=source.records)
    rows = [
        BenchRow(name, measured, predicted, performance.interval.get(_mean_of(name)))
        for name, predicted in _figures(performance).items()
        if (measured := result.figures.get(name)) is not None
    ]
    return Comparison(result, tuple(rows), performance, (*result.notes, *said))


def _mean_of(name: str) -> str:
    """The name that the interval of a mean has: ``ttft_mean`` is ``ttft_s``; percentiles have none."""
    return name.replace("_mean", "_s") if name.endswith("_mean") else name


def _figures(found: Performance) -> dict[str, float]:
    figures = {
        f"{name}_{part}": float(getattr(getattr(found, name), part))
        for name in SPREADS
        for part in ("mean", "p50", "p95", "p99")
    }
    return figures | {name: float(getattr(found, name)) for name in RATES}


def keep(found: Benchmarks, calibration: Path | None, name: str | None) -> str:
    """Keep the measured times with the record of this server, or as a new one; what was done."""
    from llmtune.cli.measuring import default_name  # noqa: PLC0415 - only with --save
    from llmtune.writers.calibration_file import change_records  # noqa: PLC0415

    estimate = found.estimate
    site = Site(estimate.deployment, estimate.model, estimate.resolved, estimate.hardware, estimate.engine)
    times = tuple(_timing(one.result) for one in found.comparisons)
    new = Record(
        name=name or default_name(site),
        model=estimate.model.id.rstrip("/").rsplit("/", 1)[-1]
        if Path(estimate.model.id).exists()
        else estimate.model.id,
        identity=identify(site),
        utilization=estimate.resolved.gpu_memory_utilization,
        figures=Figures(),
        measured=max((one.result.date for one in found.comparisons if one.result.date), default=None),
        times=times,
    )
    path = file_to_change(calibration)
    done = ""

    def add(old: tuple[Record, ...]) -> list[Record]:
        nonlocal done
        same = next((one for one in reversed(old) if matches(one.identity, new.identity)), None)
        stored = new if same is None else replace(same, name=name or same.name, times=_joined(same.times, times))
        taken = {one.name for one in old if one is not same}
        while stored.name in taken:
            stored = replace(stored, name=f"{stored.name}-2")
        done = f"{len(times)} measured {'loads' if len(times) > 1 else 'load'} kept as '{stored.name}' in {path}"
        return [*(one for one in old if one is not same), stored]

    change_records(path, add)
    return done


def _timing(result: BenchResult) -> Timing:
    figures = result.figures
    load = replace(result.load, requests=min(result.load.requests, MOST_REQUESTS))  # it is replayed for its factors
    return Timing(load, figures.get("ttft_mean"), figures.get("tpot_mean"), figures.get("output_tokens_per_s"))


def _joined(old: tuple[Timing, ...], new: tuple[Timing, ...]) -> tuple[Timing, ...]:
    """The new times, and the old ones of other loads."""
    loads = [timing.load for timing in new]
    return (*(timing for timing in old if timing.load not in loads), *new)


def render(found: Benchmarks, format_: str) -> str:
    """The comparison in the format that was asked for."""
    from llmtune.cli import bench_pages as pages  # noqa: PLC0415

    return pages.as_json(found) if format_ == "json" else pages.as_text(found)
