"""``llmtune calibrate``: what a real start-up measured, beside what is predicted, and kept for later estimates."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from llmtune.cli import options as opt  # noqa: TC001 - Typer reads the annotations

if TYPE_CHECKING:
    from llmtune.readers import Reading
    from llmtune.spec.calibration import Record, StartupLog
    from llmtune.spec.engine import EngineVersion

Log = Annotated[
    str | None, typer.Argument(help="What vLLM printed while it started: a file, a .gz, or - for stdin.", metavar="LOG")
]
Words = Annotated[
    list[str] | None,
    typer.Argument(help="'-- vllm serve MODEL ...', where the log's arguments are not enough.", metavar="-- COMMAND"),
]
Config = Annotated[Path | None, typer.Option("--config", help="The server's YAML config, instead of a command.")]
Name = Annotated[str | None, typer.Option("--name", help="Name of the record; default: model, GPU and release.")]
Listing = Annotated[bool, typer.Option("--list", help="List the records.")]
Show = Annotated[str | None, typer.Option("--show", help="Show the record of this name.")]
Remove = Annotated[str | None, typer.Option("--remove", help="Remove the record of this name.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Compare and store nothing.")]
Store = Annotated[Path | None, typer.Option("--calibration", help="File of the records; default: your own.")]
Format = Annotated[str, typer.Option("--format", "-f", help="text or json.")]


def command(  # noqa: PLR0913 - one parameter an option
    log: Log = None,
    words: Words = None,
    config: Config = None,
    gpu: opt.GpuName = "auto",
    gpus: opt.Gpus = None,
    nodes: opt.Nodes = 1,
    instance: opt.Instance = None,
    gpu_memory: opt.GpuMemory = None,
    free_memory: opt.FreeMemory = None,
    compute_capability: opt.Capability = None,
    vllm_version: opt.EngineRelease = None,
    offline: opt.Offline = False,  # noqa: FBT002
    assume_architecture: opt.Assume = None,
    name: Name = None,
    list_: Listing = False,  # noqa: FBT002
    show: Show = None,
    remove: Remove = None,
    dry_run: DryRun = False,  # noqa: FBT002
    calibration: Store = None,
    format_: Format = "text",
    output: opt.Output = None,
) -> None:
    """Compare what a real start-up measured with what is predicted, and let later estimates use it.

    The log is what `vllm serve` of any release printed from its start. Settings come from the command behind `--`,
    from `--config`, or from the log itself.
    """
    from llmtune.cli import calibration_pages as pages  # noqa: PLC0415 - not for --help
    from llmtune.cli import judge  # noqa: PLC0415
    from llmtune.cli.calibrations import load_records  # noqa: PLC0415
    from llmtune.cli.hardware import from_options  # noqa: PLC0415
    from llmtune.cli.terminal import deliver, say  # noqa: PLC0415

    judge.check_choice("--format", format_, ("text", "json"))
    if _manages(log, list_, show, remove):
        deliver(_manage(show, remove, calibration, format_, dry_run=dry_run), output)
        return
    load_records(calibration if calibration and calibration.exists() else None, off=False)  # before the work
    found, reading, engine = _read(str(log), words or [], config, vllm_version)
    hardware, notes = from_options(
        gpu=gpu,
        gpus=gpus if gpus is not None or instance else judge.gpus_asked_for(reading.deployment, nodes),
        nodes=nodes,
        instance=instance,
        gpu_memory=gpu_memory,
        free_memory=free_memory,
        compute_capability=compute_capability,
    )
    model = judge.load_model(reading.deployment.model, offline=offline, assume_architecture=assume_architecture)
    from llmtune.cli.drafts import attach  # noqa: PLC0415
    from llmtune.cli.measuring import measure  # noqa: PLC0415

    model, drafted = attach(model, reading.deployment, offline=offline)
    result = measure(found, reading, model, hardware, engine, name=_checked_name(name))
    said = (*notes, *drafted, *found.notes, *(str(notice) for notice in reading.warnings), *result.notes)
    deliver(pages.comparison(result, said, format_), output)
    if result.record is not None and not dry_run:
        say((_store(result.record, calibration, named=name is not None),))


def _manages(log: str | None, list_: bool, show: str | None, remove: str | None) -> bool:  # noqa: FBT001 - options
    """Whether records are asked for instead of a log's figures.

    Raises:
        UserError: when several things are asked for, or nothing.

    """
    from llmtune.cli.errors import UserError  # noqa: PLC0415

    asked = [log is not None, list_, show is not None, remove is not None]
    if sum(asked) != 1:
        what = "nothing to read" if not any(asked) else "more than one thing to do"
        raise UserError(f"{what}; give a vLLM log, or one of --list, --show NAME and --remove NAME")
    return log is None


def _manage(show: str | None, remove: str | None, calibration: Path | None, format_: str, *, dry_run: bool) -> str:
    """List, show or remove records."""
    from llmtune.cli import calibration_pages as pages  # noqa: PLC0415
    from llmtune.cli.calibrations import file_to_change, find_record, load_records  # noqa: PLC0415

    path = file_to_change(calibration)
    records = load_records(calibration, off=False)
    if remove is not None:
        found = find_record(records, remove, path)
        if not dry_run:
            from llmtune.writers.calibration_file import change_records  # noqa: PLC0415

            change_records(path, lambda old: [record for record in old if record.name != found.name])
        return pages.removed(found, path, format_, dry_run=dry_run)
    if show is not None:
        return pages.record(find_record(records, show, path), format_)
    return pages.listing(records, path, format_)


def _read(
    log: str, words: list[str], config: Path | None, release: str | None
) -> tuple[StartupLog, Reading, EngineVersion]:
    """The log, the deployment that it is of, and the release."""
    from llmtune.cli.errors import UserError  # noqa: PLC0415
    from llmtune.cli.estimate import read_words  # noqa: PLC0415
    from llmtune.cli.log_deployment import deployment_of, find_release  # noqa: PLC0415
    from llmtune.readers.startup_log import read_startup_log  # noqa: PLC0415

    if words and config is not None:
        raise UserError("--config and a command behind '--' both describe the server; give one of them")
    found = read_startup_log(Path(log))
    engine = find_release(found, release)
    if config is not None:
        words = [str(config)]
    return found, read_words(words, engine) if words else deployment_of(found, engine), engine


def _checked_name(name: str | None) -> str | None:
    from llmtune.cli.errors import UserError  # noqa: PLC0415
    from llmtune.cli.measuring import LONGEST_NAME  # noqa: PLC0415

    if name is not None and (not name.strip() or len(name) > LONGEST_NAME or not name.isprintable()):
        raise UserError(f"--name must be a printable text of 1 to {LONGEST_NAME} characters")
    return name


def _store(record: Record, calibration: Path | None, *, named: bool) -> str:
    """Keep a record: in the place of one of the same start-up, else at the end; what was done.

    One that measured the KV cache is not given up for one that did not.
    """
    from dataclasses import replace  # noqa: PLC0415

    from llmtune.calc.calibration import matches  # noqa: PLC0415
    from llmtune.cli.calibrations import file_to_change  # noqa: PLC0415
    from llmtune.writers.calibration_file import change_records  # noqa: PLC0415

    path = file_to_change(calibration)
    done = ""

    def add(old: tuple[Record, ...]) -> list[Record]:
        nonlocal done
        same = [one for one in old if matches(one.identity, record.identity)]
        fuller = [one.name for one in same if one.figures.kv_cache is not None]
        if record.figures.kv_cache is None and fuller:
            done = f"not stored: '{fuller[-1]}' of the same start-up measured the KV cache as well"
            return list(old)
        kept = [one for one in old if one not in same and not (named and one.name == record.name)]
        taken = {one.name for one in kept}
        number = next(number for number in range(1, len(taken) + 2) if _numbered(record.name, number) not in taken)
        times = record.times or next((one.times for one in reversed(same) if one.times), ())  # of benchmarks
        stored = replace(record, name=_numbered(record.name, number), times=times)
        done = f"stored as '{stored.name}' in {path}"
        return [*kept, stored]

    change_records(path, add)
    return done


def _numbered(name: str, number: int) -> str:
    return name if number == 1 else f"{name}-{number}"
