"""What the terminal can show, and where output goes."""

from __future__ import annotations

import os
import shutil
import sys
from typing import TYPE_CHECKING

import typer

from llmtune.cli.errors import UserError

if TYPE_CHECKING:
    from pathlib import Path

WIDTHS = (40, 160)  # narrower is unreadable, wider is hard to read


def width() -> int:
    """Columns to write for: the terminal's (or COLUMNS), 100 when there is none."""
    low, high = WIDTHS
    return max(low, min(high, shutil.get_terminal_size((100, 24)).columns))


def use_color(choice: str) -> bool:
    """Colour on a terminal only, unless --color, NO_COLOR or FORCE_COLOR say otherwise."""
    if choice != "auto":
        return choice == "always"
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return sys.stdout is not None and sys.stdout.isatty() and os.environ.get("TERM") != "dumb"


def use_unicode() -> bool:
    """Whether block characters can be written."""
    return (getattr(sys.stdout, "encoding", None) or "").lower().replace("-", "") in {"utf8", "utf16"}


def deliver(text: str, output: Path | None) -> None:
    """Print an answer, or write it to a file as a whole."""
    if output is None:
        if hasattr(sys.stdout, "reconfigure"):
            sys.stdout.reconfigure(errors="replace")  # a terminal without UTF-8 shows "?", it does not stop us
        typer.echo(text, nl=False, color=True)  # whether it has any was decided before
        return
    from llmtune.writers.files import write_atomically  # noqa: PLC0415 - only with --output

    try:
        write_atomically(output, text)
    except OSError as error:
        raise UserError(f"cannot write {output}: {error.strerror or error}") from error
    typer.echo(f"wrote {output}", err=True)


def say(lines: tuple[str, ...]) -> None:
    """Notes and warnings beside an answer that is a document."""
    for line in lines:
        typer.echo(f"note: {' '.join(line.split())}", err=True)
