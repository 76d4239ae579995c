"""The file of calibration records: JSON of one schema, checked field by field (docs/reference/calibration.md).

It is read by every estimate of somebody who has one, so it is read plainly: no validation library, no other format.
"""

from __future__ import annotations

import json
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from llmtune.readers import ReadError
from llmtune.spec.calibration import Figures, Identity, Record, Timing
from llmtune.spec.performance import Load
from llmtune.spec.scenario import Tokens

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SCHEMA = "llmtune/calibration/1"
LARGEST = 16 << 20  # bytes; a record has three KiB
MOST = 1 << 50  # bytes or tokens; no GPU has more
LONGEST_NAME = 120
TEXTS = ("name", "model", "release", "gpu", "family")


def read_records(path: Path) -> tuple[Record, ...]:
    """The records of a file, oldest first; none when there is no such file.

    Raises:
        ReadError: when it is there and cannot be read, or is no such file.

    """
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST + 1)
    except FileNotFoundError:
        return ()
    except OSError as error:
        message = f"cannot read {path}: {error.strerror or error}; check it, or add --no-calibration"
        raise ReadError(message, name="unreadable-file") from error
    if len(data) > LARGEST:
        raise ReadError(f"{path} has more than {LARGEST >> 20} MiB: no calibration file", name="file-too-large")
    try:
        document = json.loads(data.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise _broken(path, "it is no JSON") from error
    if not isinstance(document, dict) or document.get("schema") != SCHEMA:
        raise _broken(path, f"its schema is not {SCHEMA}")
    records = document.get("records")
    if not isinstance(records, list):
        raise _broken(path, "'records' is no list")
    return tuple(_record(path, place, entry) for place, entry in enumerate(records, start=1))


def _broken(path: Path, why: str) -> ReadError:
    message = f"{path} is no calibration file that can be read: {why}; mend or delete it, or add --no-calibration"
    return ReadError(message, name="broken-calibration")


def _record(path: Path, place: int, entry: Any) -> Record:
    def wrong(what: str) -> ReadError:
        return _broken(path, f"record {place}: {what}")

    if not isinstance(entry, dict):
        raise wrong("it is no object")
    for key in TEXTS:
        if not isinstance(entry.get(key), str) or not 0 < len(entry[key]) <= LONGEST_NAME:
            raise wrong(f"'{key}' is no short text")
    for key in ("model_sizes", "settings", "other_settings", "figures"):
        if not isinstance(entry.get(key), dict):
            raise wrong(f"'{key}' is no object")
    share = entry.get("gpu_memory_utilization")
    if not isinstance(share, int | float) or isinstance(share, bool) or not 0 < share <= 1:
        raise wrong("'gpu_memory_utilization' is no share of 1")
    total = _number(entry, "total_memory_bytes", wrong)
    if not total or total <= 0:
        raise wrong("'total_memory_bytes' is missing")
    measured = entry.get("measured")
    if measured is not None and (not isinstance(measured, str) or len(measured) > LONGEST_NAME):
        raise wrong("'measured' is no date")
    return Record(
        name=entry["name"],
        model=entry["model"],
        identity=Identity(
            gpu=entry["gpu"],
            total_memory=total,
            release=entry["release"],
            family=entry["family"],
            model=entry["model_sizes"],
            settings=entry["settings"],
            others=entry["other_settings"],
        ),
        utilization=float(share),
        figures=_figures(entry["figures"], wrong),
        workers=_number(entry, "workers", wrong) or 1,
        tokens=_number(entry, "kv_cache_tokens", wrong),
        blocks=_number(entry, "kv_cache_blocks", wrong),
        measured=measured,
        times=_times(entry.get("times", []), wrong),
    )


def _times(entries: Any, wrong: Callable[[str], ReadError]) -> tuple[Timing, ...]:
    """What benchmarks measured; records of start-ups have none."""
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise wrong("'times' is no list of objects")
    return tuple(_timing(entry, wrong) for entry in entries)


def _timing(entry: dict[str, Any], wrong: Callable[[str], ReadError]) -> Timing:
    rate, concurrency = _positive(entry, "rate_per_s", wrong), _number(entry, "concurrency", wrong)
    load = Load(
        prompt=_tokens(entry, "prompt_tokens", wrong),
        output=_tokens(entry, "output_tokens", wrong),
        concurrency=concurrency,
        rate=rate,
        offline=rate is None and concurrency is None,
        requests=_number(entry, "requests", wrong) or 0,
        prefix_hit=min(1.0, _positive(entry, "prefix_hit", wrong) or 0.0),
    )
    return Timing(
        load,
        ttft=_positive(entry, "ttft_s", wrong),
        tpot=_positive(entry, "tpot_s", wrong),
        output_tokens_per_s=_positive(entry, "output_tokens_per_s", wrong),
    )


def _tokens(entry: dict[str, Any], key: str, wrong: Callable[[str], ReadError]) -> Tokens:
    pair = entry.get(key)
    if not isinstance(pair, list) or len(pair) != 2 or not all(type(n) is int and 0 < n <= MOST for n in pair):  # noqa: PLR2004
        raise wrong(f"'{key}' is no pair of whole numbers")
    return Tokens(pair[0], pair[1])


def _positive(entry: dict[str, Any], key: str, wrong: Callable[[str], ReadError]) -> float | None:
    value = entry.get(key)
    if value is None or value == 0:
        return None
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 < value <= MOST:
        raise wrong(f"'{key}' is no number above zero")
    return float(value)


def _figures(entry: dict[str, Any], wrong: Callable[[str], ReadError]) -> Figures:
    known = [field.name for field in fields(Figures())]
    return Figures(**{name: _number(entry, f"{name}_bytes", wrong) for name in known})


def _number(entry: dict[str, Any], key: str, wrong: Callable[[str], ReadError]) -> int | None:
    value = entry.get(key)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or abs(value) > MOST:
        raise wrong(f"'{key}' is no whole number")
    return value
