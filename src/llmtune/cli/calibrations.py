"""The records that an estimate uses, and the file they stand in: where it is, what is in it, changes to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.cli.errors import UserError

if TYPE_CHECKING:
    from pathlib import Path

    from llmtune.spec.calibration import Record

FILE = "calibration.json"


def load_records(path: Path | None, *, off: bool) -> tuple[Record, ...]:
    """The records of the file that was named, or of the user's own; none with ``--no-calibration``.

    Raises:
        UserError: when a file was named that is not there, or both options were given.
        ReadError: when the file cannot be read.

    """
    if off:
        if path is not None:
            raise UserError("--calibration and --no-calibration contradict each other; leave one out")
        return ()
    found = path or default_file()
    if found is None or not found.exists():
        if path is not None:
            raise UserError(f"{path} not found; 'llmtune calibrate LOG --calibration {path}' makes one")
        return ()
    from llmtune.readers.calibration_file import read_records  # noqa: PLC0415 - only for those who have one

    return read_records(found)


def default_file() -> Path | None:
    """The file in the user's configuration directory; None for a user without a home."""
    from llmtune.probes.config_directory import config_directory  # noqa: PLC0415 - only without --calibration

    directory = config_directory()
    return None if directory is None else directory / FILE


def file_to_change(path: Path | None) -> Path:
    """The file that a command writes to.

    Raises:
        UserError: when none was named and the user has no home.

    """
    found = path or default_file()
    if found is None:
        raise UserError("no home directory to keep records in; name a file with --calibration FILE")
    if found.is_dir():
        raise UserError(f"{found} is a directory; name a file in it with --calibration")
    return found


def find_record(records: tuple[Record, ...], name: str, path: Path) -> Record:
    """The record of this name.

    Raises:
        UserError: naming those that are there.

    """
    for record in records:
        if record.name == name:
            return record
    known = ", ".join(record.name for record in records[-5:])
    hint = f"it has {known}" if known else "it has none"
    raise UserError(f"no calibration record '{name}' in {path}; {hint}. See: llmtune calibrate --list")
