"""Calibration records to their file (docs/reference/calibration.md), and changes to it that do not lose another's."""

from __future__ import annotations

import json
import os
import re
from contextlib import contextmanager, suppress
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from llmtune.readers.calibration_file import SCHEMA, read_records
from llmtune.writers import WriteError
from llmtune.writers.files import write_atomically

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from llmtune.spec.calibration import Record, Timing

NUMBERS = re.compile(r"\[((?:\s+\d+,)*\s+\d+)\s+\]")  # lists of sizes, which read best in one line


def change_records(path: Path, change: Callable[[tuple[Record, ...]], Iterable[Record]]) -> None:
    """Read the records, change them and write them back while nobody else does; the directory is made where missing.

    Raises:
        ReadError: when the file that is there is no such file; it is left as it is.
        WriteError: when it cannot be written.

    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise WriteError(f"cannot make {path.parent}: {error.strerror or error}; name another file") from error
    with _alone(path):
        write_atomically(path, write(change(read_records(path))))


def write(records: Iterable[Record]) -> str:
    """The file's text."""
    document = {"schema": SCHEMA, "records": [describe(record) for record in records]}
    text = json.dumps(document, indent=2, ensure_ascii=False)
    return NUMBERS.sub(lambda found: f"[{' '.join(found[1].split())}]", text) + "\n"


def describe(record: Record) -> dict[str, Any]:
    """One record as an object; figures that the log did not print are left out."""
    identity = record.identity
    figures = {field.name: getattr(record.figures, field.name) for field in fields(record.figures)}
    return {
        "name": record.name,
        "measured": record.measured,
        "model": record.model,
        "gpu": identity.gpu,
        "total_memory_bytes": identity.total_memory,
        "release": identity.release,
        "gpu_memory_utilization": record.utilization,
        "workers": record.workers,
        "figures": {f"{name}_bytes": size for name, size in figures.items() if size is not None},
        "kv_cache_tokens": record.tokens,
        "kv_cache_blocks": record.blocks,
        "family": identity.family,
        "model_sizes": dict(identity.model),
        "settings": dict(identity.settings),
        "other_settings": dict(identity.others),
        **({"times": [_timing(timing) for timing in record.times]} if record.times else {}),
    }


def _timing(timing: Timing) -> dict[str, Any]:
    """One measured load; what was not measured is left out."""
    load = timing.load
    measured = {
        "ttft_s": timing.ttft,
        "tpot_s": timing.tpot,
        "output_tokens_per_s": timing.output_tokens_per_s,
    }
    arrivals = {"concurrency": load.concurrency, "rate_per_s": load.rate, "offline": load.offline or None}
    return {
        "prompt_tokens": [load.prompt.p50, load.prompt.p95],
        "output_tokens": [load.output.p50, load.output.p95],
        **{name: value for name, value in arrivals.items() if value is not None},
        "requests": load.requests,
        "prefix_hit": load.prefix_hit,
        **{name: value for name, value in measured.items() if value is not None},
    }


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Holds the lock beside the file. Where the system or the file system has none, the last to write wins."""
    try:
        import fcntl  # noqa: PLC0415 - not on every system
    except ImportError:
        yield
        return
    try:
        handle = os.open(path.with_name(f".{path.name}.lock"), os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise WriteError(f"cannot write beside {path}: {error.strerror or error}; name another file") from error
    try:
        with suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
