"""Text to a file, whole or not at all."""

from __future__ import annotations

import os
import stat
import tempfile
from contextlib import suppress
from pathlib import Path

from llmtune.writers import WriteError


def write_atomically(path: Path, text: str) -> None:
    """Replace a file's content in one step; its mode is kept, and a link stays a link.

    The text is written beside the file and renamed over it, so that a reader sees the old content or the new one.
    Devices and pipes are written to directly.

    Raises:
        WriteError: when that cannot be done; the file is then as it was.

    """
    try:
        target = Path(os.path.realpath(path))
        if target.exists() and not target.is_file():
            _write_directly(target, text)
        else:
            _replace(target, text)
    except OSError as error:
        reason = error.strerror or str(error)
        raise WriteError(f"cannot write {path}: {reason}; check that the directory exists and is writable") from error


def _write_directly(target: Path, text: str) -> None:
    with target.open("wb") as file:
        file.write(text.encode("utf-8"))


def _replace(target: Path, text: str) -> None:
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name[:64]}.", suffix=".tmp")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(text.encode("utf-8"))
            file.flush()
            os.fchmod(file.fileno(), _mode(target))
            os.fsync(file.fileno())
        temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    with suppress(OSError):  # not every file system can sync a directory; the file itself is safe
        _sync_directory(target.parent)


def _mode(target: Path) -> int:
    """The mode of the file that is there, else what a new file gets."""
    with suppress(FileNotFoundError):
        return stat.S_IMODE(target.stat().st_mode)
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask


def _sync_directory(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
