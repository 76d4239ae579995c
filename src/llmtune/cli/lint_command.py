"""What ``llmtune lint`` does with its options: settings of the project, files, fixes, report, exit code."""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from llmtune.catalog import engines
from llmtune.cli.errors import UserError
from llmtune.cli.judge import check_choice
from llmtune.cli.lint import FORMATS
from llmtune.cli.lint_files import targets
from llmtune.cli.lint_run import lint_files
from llmtune.cli.linting import LintOptions
from llmtune.cli.project_settings import ProjectSettings, find_settings
from llmtune.rules import rules
from llmtune.spec.finding import SEVERITIES
from llmtune.spec.lint import LintResult
from llmtune.spec.record import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterable

    from llmtune.spec.hardware import Hardware

FAIL_ON = "warning"


@dataclass(frozen=True, slots=True)
class Wanted:
    """The options of one run."""

    paths: tuple[str, ...]
    gpu: str | None
    gpus: int | None
    instance: str | None
    release: str | None
    kind: str | None
    select: tuple[str, ...]
    ignore: tuple[str, ...]
    exclude: tuple[str, ...]
    fix: bool
    unsafe: bool
    diff: bool
    format_: str
    output: Path | None
    statistics: bool
    show_files: bool
    quiet: bool
    fail_on: str | None
    exit_zero: bool
    baseline: Path | None
    write_baseline: Path | None
    allow_empty: bool
    color: str


def split_names(given: Iterable[str] | None) -> tuple[str, ...]:
    """Rules from options that take a list or are repeated."""
    return tuple(name.strip() for text in given or () for name in text.split(",") if name.strip())


def lint(wanted: Wanted) -> int:
    """Lint, fix and report; return the exit code.

    Raises:
        UserError: for wrong options, wrong settings, and nothing to lint.

    """
    settings = find_settings(Path.cwd())
    fail_on = wanted.fail_on or settings.text("fail-on") or FAIL_ON
    _check(wanted, fail_on)
    options = _options(wanted, settings)
    found = tuple(targets(wanted.paths or (".",), (*settings.exclude, *wanted.exclude)))
    if wanted.fix or wanted.diff:
        from llmtune.cli.fixing import fix_files  # noqa: PLC0415 - only to fix

        changes = fix_files(found, options, unsafe=wanted.unsafe, write=not wanted.diff)
        if wanted.diff:
            _deliver(changes.diff, wanted)
            return 0 if wanted.exit_zero else int(bool(changes.diff))
        typer.echo(f"fixed {changes.fixes} in {changes.files} file(s)", err=True)
    result = _without_known(lint_files(found, options), wanted, settings)
    if wanted.write_baseline is not None:
        return _write_baseline(result, wanted.write_baseline)
    _check_something_seen(result, wanted)
    _deliver(_rendered(result, wanted, fail_on), wanted)
    return exit_code(result, fail_on, exit_zero=wanted.exit_zero)


def exit_code(result: LintResult, fail_on: str, *, exit_zero: bool) -> int:
    """2 when a file could not be read, 1 for findings at or above ``fail_on``, else 0."""
    if any(file.broken for file in result.checked):
        return 2
    limit = SEVERITIES.index(fail_on)
    bad = any(SEVERITIES.index(finding.severity) <= limit for finding in result.findings)
    return int(bad and not exit_zero)


def _check(wanted: Wanted, fail_on: str) -> None:
    check_choice("--format", wanted.format_, FORMATS)
    check_choice("--fail-on", fail_on, SEVERITIES)
    check_choice("--color", wanted.color, ("auto", "always", "never"))
    if wanted.unsafe and not (wanted.fix or wanted.diff):
        raise UserError("--unsafe goes with --fix or --diff")
    if wanted.fix and wanted.diff:
        raise UserError("--fix changes files, --diff shows what would change; give one of them")
    if (wanted.fix or wanted.diff) and "-" in wanted.paths:
        raise UserError("what comes from stdin cannot be fixed; name a file")


def _options(wanted: Wanted, settings: ProjectSettings) -> LintOptions:
    release = wanted.release or settings.text("vllm-version")
    select = wanted.select or settings.select
    ignore = (*settings.ignore, *wanted.ignore)
    for name in (*select, *ignore, *(name for names in settings.per_file_ignores.values() for name in names)):
        _check_rule(name)
    if wanted.kind is not None:
        from llmtune.readers import readers  # noqa: PLC0415

        check_choice("--kind", wanted.kind, sorted(reader.KIND for reader in readers()))
    return LintOptions(
        release=engines.find(release) if release else None,
        hardware=_hardware(wanted, settings),
        kind=wanted.kind,
        select=frozenset(select),
        ignore=frozenset(ignore),
        per_file_ignores=settings.per_file_ignores,
        directory=str(settings.directory),
    )


def _check_rule(name: str) -> None:
    if name not in rules():
        from difflib import get_close_matches  # noqa: PLC0415 - only for a mistake

        close = get_close_matches(name, rules(), n=1)
        hint = f"Did you mean '{close[0]}'?" if close else "See: llmtune list rules"
        raise UserError(f"there is no rule '{name}'. {hint}")


def _hardware(wanted: Wanted, settings: ProjectSettings) -> Hardware | None:
    gpu, instance = wanted.gpu or settings.text("gpu"), wanted.instance or settings.text("instance")
    gpus = wanted.gpus if wanted.gpus is not None else settings.gpus
    if gpu is None and instance is None:
        if gpus is not None:
            raise UserError("--gpus needs --gpu: how many of which")
        return None
    from llmtune.cli.hardware import from_options  # noqa: PLC0415

    hardware, _ = from_options(gpu=gpu, gpus=gpus, instance=instance)
    return replace(hardware, origin="option" if gpus is not None or instance else "option without count")


def _without_known(result: LintResult, wanted: Wanted, settings: ProjectSettings) -> LintResult:
    stated = settings.text("baseline")
    path = wanted.baseline or (settings.directory / stated if stated else None)
    if path is None or wanted.write_baseline is not None:
        return result
    from llmtune.cli import baseline  # noqa: PLC0415

    return baseline.apply(result, path)


def _write_baseline(result: LintResult, path: Path) -> int:
    from llmtune.cli import baseline  # noqa: PLC0415
    from llmtune.writers.files import write_atomically  # noqa: PLC0415

    write_atomically(path, baseline.write(result))
    typer.echo(f"wrote {len(result.findings)} findings to {path}", err=True)
    return 2 if any(file.broken for file in result.checked) else 0


def _check_something_seen(result: LintResult, wanted: Wanted) -> None:
    """Nothing looked at is never fine, unless the user says so."""
    if result.checked or wanted.allow_empty:
        return
    if len(result.skipped) == 1:
        raise UserError(f"{result.skipped[0].path}: {result.skipped[0].why}; nothing was checked")
    many = f"none of {len(result.skipped)} files" if result.skipped else "no file here"
    raise UserError(f"{many} starts a vLLM server, so nothing was checked; name the files, or add --allow-empty")


def _rendered(result: LintResult, wanted: Wanted, fail_on: str) -> str:
    from llmtune.cli.judge import paper  # noqa: PLC0415

    if wanted.quiet:
        limit = SEVERITIES.index(fail_on)
        result = _filtered(result, limit)
    if wanted.format_ in {"text", "concise"}:
        if wanted.quiet and not result.findings:
            return ""
        if wanted.statistics:
            from llmtune.reports.lint_statistics import render  # noqa: PLC0415

            return render(result)
    report = import_module(f"llmtune.reports.lint_{wanted.format_}")
    text: str = report.render(result, rules(), paper(wanted.color, to_file=wanted.output is not None))
    if wanted.show_files and wanted.format_ in {"text", "concise"}:
        from llmtune.reports.lint_statistics import files  # noqa: PLC0415

        text = files(result) + text
    return text


def _filtered(result: LintResult, limit: int) -> LintResult:
    """The result without findings below a severity."""
    checked = tuple(
        replace(file, findings=tuple(item for item in file.findings if SEVERITIES.index(item.severity) <= limit))
        for file in result.checked
    )
    return LintResult(checked, result.skipped)


def _deliver(text: str, wanted: Wanted) -> None:
    from llmtune.cli.terminal import deliver  # noqa: PLC0415

    deliver(text, wanted.output)
