"""What ends a run as the one line on stderr: which exceptions are the user's to mend, and how they read."""

from __future__ import annotations

import os
import sys
from contextlib import suppress

import typer

LONGEST = 1000  # characters; a line that quotes a megabyte helps nobody
WRONG = 2  # exit code of everything here


def report(error: Exception) -> int:
    """Say what went wrong, and return the exit code. A traceback means a bug of ours, and says so."""
    line = _usage(error) if hasattr(error, "format_message") else _expected(error)
    if line is None:
        import traceback  # noqa: PLC0415 - only for a bug

        line = "this is a bug in llmtune; please report it with the lines below"
        line += "\n" + _safe("".join(traceback.format_exception(error)))
    if line:
        with suppress(OSError):  # nobody listens
            typer.echo(f"error: {line}", err=True)
    return WRONG


def _usage(error: Exception) -> str:
    """Click's own errors. Typer may bring a copy of Click, so they are known by their methods."""
    message: str = error.format_message()  # type: ignore[attr-defined]
    context = getattr(error, "ctx", None)
    if type(error).__name__ == "NoArgsIsHelpError":
        typer.echo(message, err=True)
        return ""
    line = _one_line(message).rstrip(".")
    stop = "" if line.endswith("?") else "."
    line = f"{line[:1].lower()}{line[1:]}"
    return f"{line}{stop} See: {context.command_path} --help" if context else line


def _expected(error: Exception) -> str | None:
    """The line of a mistake in the input; None for everything else."""
    if isinstance(error, OSError):
        _forget_stdout()
        where = f" '{error.filename}'" if error.filename else ""
        return _one_line(f"the system refuses{where}: {error.strerror or error}")
    from llmtune.architectures.config import ConfigError  # noqa: PLC0415 - only when something went wrong
    from llmtune.calc.errors import Refused  # noqa: PLC0415
    from llmtune.catalog import UnknownName  # noqa: PLC0415
    from llmtune.cli.errors import UserError  # noqa: PLC0415
    from llmtune.probes.hub import HubError  # noqa: PLC0415
    from llmtune.readers import ReadError  # noqa: PLC0415
    from llmtune.readers.model_directory import ModelDirectoryError  # noqa: PLC0415
    from llmtune.writers import WriteError  # noqa: PLC0415

    ours = (ConfigError, Refused, UnknownName, UserError, HubError, ReadError, ModelDirectoryError, WriteError)
    return _one_line(str(error)) if isinstance(error, ours) else None


def _one_line(text: str) -> str:
    """A message without line ends, secrets and excess."""
    line = _safe(" ".join(text.split()))
    if len(line) <= LONGEST:
        return line
    half = LONGEST // 2
    return f"{line[:half]} ... {line[-half:]}"


def _safe(text: str) -> str:
    from llmtune.readers.secrets import redact_text  # noqa: PLC0415 - only when something went wrong

    return redact_text(text).encode("utf-8", "replace").decode("utf-8")


def _forget_stdout() -> None:
    """What a full disk did not take must not be tried again when Python ends."""
    with suppress(OSError, ValueError, AttributeError):
        sys.stdout.flush()
        return
    with suppress(OSError, ValueError, AttributeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
