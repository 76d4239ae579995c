"""What ``llmtune bench-read`` prints: measured beside predicted, as text and JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from llmtune.reports import json as report
from llmtune.reports.performance_json import load, performance
from llmtune.reports.performance_text import folded, load_line, number, seconds
from llmtune.reports.text import hardware_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llmtune.cli.bench_reading import Benchmarks, Comparison
    from llmtune.spec.bench import BenchRow

BENCH = "llmtune/bench/1"
WIDTH = 80
RATES = {
    "output_tokens_per_s": "output tokens/s",
    "total_tokens_per_s": "total tokens/s",
    "requests_per_s": "requests/s",
}
INSIDE = {True: "inside", False: "outside", None: ""}


def as_text(found: Benchmarks) -> str:
    """One table a run."""
    lines = [folded(f"{found.estimate.model.id} on {hardware_line(found.estimate)}", WIDTH)]
    for one in found.comparisons:
        lines += ["", *_table(one)]
    return "\n".join([*lines, *_noted(found)]) + "\n"


def _table(one: Comparison) -> Iterator[str]:
    yield f"{one.result.path}: {load_line(one.result.load)}"
    yield f"{'':<18}{'measured':>10}{'predicted':>11}{'difference':>12}   interval"
    for row in one.rows:
        bounds = ""
        if row.bounds is not None:
            bounds = f"{_value(row, row.bounds[0])} .. {_value(row, row.bounds[1])}, {INSIDE[row.inside]}"
        measured, predicted = _value(row, row.measured), _value(row, row.predicted)
        yield f"{_label(row):<18}{measured:>10}{predicted:>11}{row.difference:>+12.0%}   {bounds}".rstrip()


def as_json(found: Benchmarks) -> str:
    """The comparison as a document."""
    return report.dump(
        {
            "schema": BENCH,
            "model": {"id": found.estimate.model.id},
            "hardware": report.describe(found.estimate)["hardware"],
            "engine_version": found.estimate.engine.release,
            "runs": [_run(one) for one in found.comparisons],
            "worst_difference": found.worst,
            "notes": list(found.notes),
        }
    )


def _run(one: Comparison) -> dict[str, Any]:
    return {
        "path": one.result.path,
        "date": one.result.date,
        "load": load(one.result.load),
        "figures": [
            {
                "name": row.name,
                "measured": row.measured,
                "predicted": row.predicted,
                "difference": row.difference,
                "interval": list(row.bounds) if row.bounds is not None else None,
                "inside": row.inside,
            }
            for row in one.rows
        ],
        "performance": performance(one.performance),
        "notes": list(one.notes),
    }


def _label(row: BenchRow) -> str:
    name, _, part = row.name.rpartition("_")
    return RATES.get(row.name) or f"{name.upper()} {part}"


def _value(row: BenchRow, value: float) -> str:
    return number(value) if row.name in RATES else seconds(value)


def _noted(found: Benchmarks) -> list[str]:
    from textwrap import wrap  # noqa: PLC0415 - only text

    notes = dict.fromkeys((*(note for one in found.comparisons for note in one.notes), *found.notes))
    lines = [
        line
        for note in notes
        for line in wrap(note, WIDTH, initial_indent="note: ", subsequent_indent="      ", break_on_hyphens=False)
    ]
    return ["", *lines] if lines else []
