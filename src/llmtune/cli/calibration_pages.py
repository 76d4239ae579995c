"""What ``llmtune calibrate`` prints: a comparison, the list of records, one of them; as text and JSON."""

from __future__ import annotations

import json
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from llmtune.writers.calibration_file import describe

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from llmtune.cli.measuring import Measurement
    from llmtune.spec.calibration import Comparison, Record

COMPARISON = "llmtune/comparison/1"
RECORDS = "llmtune/calibrations/1"
GIB = 2**30
WIDTH = 80
UNITS = {"bytes": "GiB", "tokens": "tokens", "blocks": "blocks", "x": "x"}


def comparison(result: Measurement, notes: Iterable[str], format_: str) -> str:
    """Predicted against measured."""
    notes = list(notes)
    if format_ == "json":
        return _dump(
            {
                "schema": COMPARISON,
                "model": result.site.model.id,
                "gpu": result.site.hardware.gpu.name,
                "engine_version": result.site.engine.release,
                "decided_by": result.decides or None,
                "workers": [_worker(result, place) for place in range(len(result.log.workers))],
                "figures": [_row(row) for row in result.rows],
                "failures": list(result.log.failures),
                "calibrated_kv_cache_bytes": _calibrated(result),
                "record": describe(result.record) if result.record else None,
                "notes": notes,
            }
        )
    site = result.site
    head = f"{site.model.id} on {site.hardware.gpu.product} · vLLM {site.engine.release}"
    lines = [head, "", f"{'':<24}{'predicted':>16}{'measured':>16}{'difference':>16}"]
    lines += [_line(row) for row in result.rows]
    after = _calibrated(result)
    if after is not None and result.record is not None and result.record.figures.kv_cache is not None:
        lines += ["", f"calibrated, the KV cache is predicted at {after / GIB:.2f} GiB"]
    if result.log.failures:
        lines += ["", f"the start failed: {', '.join(result.log.failures)}"]
    lines += _noted(notes)
    return "\n".join(lines) + "\n"


def listing(records: Iterable[Record], path: Path, format_: str) -> str:
    """The records of a file, one line each."""
    records = list(records)
    if format_ == "json":
        return _dump({"schema": RECORDS, "file": str(path), "records": [describe(one) for one in records]})
    if not records:
        return f"no calibration records in {path}\n"
    width = max(len(one.name) for one in records)
    return "".join(f"{one.name:<{width}}  {_summary(one)}\n" for one in records)


def record(one: Record, format_: str) -> str:
    """One record."""
    if format_ == "json":
        return _dump(describe(one))
    identity = one.identity
    measured = {field.name: getattr(one.figures, field.name) for field in fields(one.figures)}
    counts = (("tokens", one.tokens), ("blocks", one.blocks))
    rows = [
        ("model", one.model),
        ("GPU", f"{identity.gpu}, {identity.total_memory / GIB:.2f} GiB"),
        ("vLLM", identity.release),
        ("measured", one.measured or "no date in the log"),
        ("utilization", f"{one.utilization:g}"),
        *((name.replace("_", " "), f"{size / GIB:.2f} GiB") for name, size in measured.items() if size is not None),
        *((f"KV cache {what}", str(count)) for what, count in counts if count),
        *((name, _plain(value)) for name, value in {**identity.settings, **identity.others}.items() if _told(value)),
    ]
    width = max(len(name) for name, _ in rows) + 2
    return "\n".join([one.name, *(f"  {name:<{width}}{value}" for name, value in rows)]) + "\n"


def removed(one: Record, path: Path, format_: str, *, dry_run: bool) -> str:
    """What was removed, or would be."""
    if format_ == "json":
        return _dump({"removed": one.name, "file": str(path), "dry_run": dry_run})
    return f"{'would remove' if dry_run else 'removed'} '{one.name}' from {path}\n"


def _summary(one: Record) -> str:
    kv = one.figures.kv_cache
    cache = f"{kv / GIB:.2f} GiB KV cache" if kv is not None else "no KV cache measured"
    when = f", measured on {one.measured}" if one.measured else ""
    loads = f", {len(one.times)} loads timed" if len(one.times) > 1 else ", 1 load timed" if one.times else ""
    return f"{one.model}, {one.identity.gpu}, vLLM {one.identity.release}, {cache}{loads}{when}"


def _told(value: object) -> bool:
    return value not in (None, False, [], {}, 0)


def _plain(value: object) -> str:
    if isinstance(value, list):
        return f"{len(value)}: {value[0]} .. {value[-1]}"
    return str(value)


def _worker(result: Measurement, place: int) -> dict[str, Any]:
    worker = result.log.workers[place]
    figures = {field.name: getattr(worker.figures, field.name) for field in fields(worker.figures)}
    return {"name": worker.name, **{f"{name}_bytes": size for name, size in figures.items() if size is not None}}


def _row(row: Comparison) -> dict[str, Any]:
    return {"name": row.name, "unit": row.unit, "predicted": row.predicted, "measured": row.measured}


def _line(row: Comparison) -> str:
    gap = None if row.predicted is None or row.measured is None else row.measured - row.predicted
    return f"{row.name:<24}{_cell(row.predicted, row):>16}{_cell(row.measured, row):>16}{_cell(gap, row, '+'):>16}"


def _cell(value: float | None, row: Comparison, sign: str = "") -> str:
    if value is None:
        return "-"
    if row.unit == "bytes":
        return f"{round(value / GIB, 2) + 0.0:{sign}.2f} GiB"  # adding zero makes -0.0 plain
    return f"{round(value, 2) + 0.0:{sign}.2f}" if row.unit == "x" else f"{value:{sign}.0f}"


def _calibrated(result: Measurement) -> int | None:
    """Bytes that the calibrated plan has for the cache."""
    memory = result.calibrated
    return None if memory is None else memory.kv_available


def _noted(notes: Iterable[str]) -> list[str]:
    from textwrap import wrap  # noqa: PLC0415 - only text

    lines = [
        line
        for note in notes
        for line in wrap(
            " ".join(note.split()), WIDTH, initial_indent="note: ", subsequent_indent="      ", break_on_hyphens=False
        )
    ]
    return ["", *lines] if lines else []


def _dump(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"
