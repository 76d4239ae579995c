"""The command line: one module per command, each parse, call, report, exit code.

Everything heavy (rich, pydantic, yaml, NVML, the Hub) is imported by the function that needs it: commands run inside
shell scripts, so starting up is a feature.
"""

from __future__ import annotations

import gc
import os
import sys
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, NoReturn

import typer

from llmtune import __version__
from llmtune.cli import (
    bench_plan,
    bench_read,
    calibrate,
    compare,
    detect,
    estimate,
    explain,
    lint,
    listing,
    recommend,
    show,
    simulate,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

app = typer.Typer(
    name="llmtune",
    help="Says before a GPU is started what vLLM will do with a model, and writes a config that starts.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 fine, 1 does not fit or nothing feasible, 2 bad arguments or input.",
)
app.command("recommend")(recommend.command)
app.command("estimate")(estimate.command)
app.command("simulate")(simulate.command)
app.command("compare")(compare.command)
app.command("bench-plan")(bench_plan.command)
app.command("bench-read")(bench_read.command)
app.command("lint")(lint.command)
app.command("explain", cls=explain.AnyWord)(explain.command)
app.command("calibrate")(calibrate.command)
app.command("detect")(detect.command)
app.command("list")(listing.command)
app.command("show")(show.command)


def _print_version(wanted: bool) -> None:  # noqa: FBT001 - Typer passes the flag
    if wanted:
        typer.echo(f"llmtune {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: bool = typer.Option(False, "--version", callback=_print_version, is_eager=True, help="Show the version."),  # noqa: FBT001
) -> None:
    """Says before a GPU is started what vLLM will do with a model, and writes a config that starts."""


def run() -> NoReturn:
    """The program: ``main``, and out at once. Python's own way out takes apart every module and costs 30 ms."""
    try:
        main()
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else 1
    else:
        code = 0
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, AttributeError):  # a stream that was closed is None
            stream.flush()
    os._exit(code)


def main() -> None:
    """Run the command line. Expected mistakes are one line and exit 2; a traceback means a bug of ours and says so."""
    gc.disable()  # a command lives for a tenth of a second; collecting garbage takes a tenth of that
    try:
        with _asked_alone(sys.argv[1:2]):
            code = app(prog_name="llmtune", standalone_mode=False)
    except (KeyboardInterrupt, typer.Abort):
        code = _quit_quietly(130)
    except SystemExit as stop:  # Click's answer to a closed pipe is exit 1, which means something else here
        code = _quit_quietly(141) if isinstance(stop.__context__, BrokenPipeError) else stop.code
    except BrokenPipeError:
        code = _quit_quietly(141)
    except Exception as error:  # noqa: BLE001 - the last resort: everything becomes a line or a bug report
        from llmtune.cli.mistakes import report  # noqa: PLC0415 - only when something went wrong

        code = report(error)
    sys.exit(code or 0)


@contextmanager
def _asked_alone(words: Sequence[str]) -> Iterator[None]:
    """Without the commands that are not asked for: Typer reads the parameters of all it knows, in 20 ms."""
    every = app.registered_commands
    asked = [command for command in every if command.name in words]
    app.registered_commands = asked or every
    try:
        yield
    finally:
        app.registered_commands = every


def _quit_quietly(code: int) -> int:
    """Ctrl-C and a closed pipe end the program without a word (128 + signal)."""
    if sys.stdout is not None:
        with suppress(OSError, ValueError):  # a stream that is no file has nothing left to write either
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return code
