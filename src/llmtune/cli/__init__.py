"""The command line: one module per command, each parse, call, report, exit code.

Everything heavy (rich, pydantic, yaml, NVML, the Hub) is imported by the function that needs it: commands run inside
shell scripts, so starting up is a feature.
"""

from __future__ import annotations

import os
import sys

import typer

from llmtune import __version__
from llmtune.cli import detect, estimate, listing, recommend, show

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


def main() -> None:
    """Run the command line. Expected mistakes are one line and exit 2; a traceback means a bug of ours and says so."""
    try:
        app(standalone_mode=True)
    except (KeyboardInterrupt, BrokenPipeError) as stop:
        _quit_quietly(stop)
    except ValueError as error:
        if not _is_expected(error):
            _report_bug()
        typer.echo(f"error: {_one_line(error)}", err=True)
        sys.exit(2)
    except Exception:  # noqa: BLE001 - the last resort, which says that it is one
        _report_bug()


def _is_expected(error: ValueError) -> bool:
    """Whether a mistake is the input's and its message was written for the user."""
    from llmtune.architectures.config import ConfigError  # noqa: PLC0415 - only when something went wrong
    from llmtune.calc.errors import Refused  # noqa: PLC0415
    from llmtune.catalog import UnknownName  # noqa: PLC0415
    from llmtune.cli.errors import UserError  # noqa: PLC0415
    from llmtune.probes.hub import HubError  # noqa: PLC0415
    from llmtune.readers import ReadError  # noqa: PLC0415
    from llmtune.readers.model_directory import ModelDirectoryError  # noqa: PLC0415

    return isinstance(
        error, ConfigError | Refused | UnknownName | UserError | HubError | ReadError | ModelDirectoryError
    )


def _one_line(error: ValueError) -> str:
    from llmtune.readers.secrets import redact_text  # noqa: PLC0415 - only when something went wrong

    return redact_text(" ".join(str(error).split()))


def _report_bug() -> None:
    import traceback  # noqa: PLC0415 - only for a bug

    typer.echo("error: this is a bug in llmtune; please report it with the lines below", err=True)
    typer.echo(traceback.format_exc(), err=True)
    sys.exit(2)


def _quit_quietly(stop: BaseException) -> None:
    """Ctrl-C and a closed pipe end the program without a word (128 + signal)."""
    devnull = os.open(os.devnull, os.O_WRONLY)
    os.dup2(devnull, sys.stdout.fileno())
    sys.exit(130 if isinstance(stop, KeyboardInterrupt) else 141)
