"""``llmtune lint``: what is wrong with vLLM configurations, before they reach a GPU."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from llmtune.cli import options as opt  # noqa: TC001 - Typer reads the annotations

FORMATS = ("text", "concise", "json", "sarif", "github", "gitlab", "junit", "markdown")

Paths = Annotated[
    list[str] | None,
    typer.Argument(help="Files, directories, patterns, '-' for stdin; default: this directory.", metavar="PATH"),
]
GpuName = Annotated[str | None, typer.Option("--gpu", help="GPU that the files are for, where they do not say it.")]
Gpus = Annotated[int | None, typer.Option("--gpus", help="GPUs in each node.")]
Kind = Annotated[str | None, typer.Option("--kind", help="Read every file as this kind, e.g. shell, compose.")]
Format = Annotated[str, typer.Option("--format", "-f", help=f"{', '.join(FORMATS[:-1])} or {FORMATS[-1]}.")]
Names = Annotated[list[str] | None, typer.Option("--select", help="Check only these rules; comma or repeat.")]
Ignored = Annotated[list[str] | None, typer.Option("--ignore", help="Do not check these rules; comma or repeat.")]
Exclude = Annotated[list[str] | None, typer.Option("--exclude", help="Leave out files, as .gitignore writes them.")]
FailOn = Annotated[
    str | None, typer.Option("--fail-on", help="error, warning or info: exit 1 from it on; default warning.")
]
ExitZero = Annotated[bool, typer.Option("--exit-zero", help="Exit 0 whatever is found; 2 stays 2.")]
DoFix = Annotated[bool, typer.Option("--fix", help="Mend what can be mended safely, in place.")]
Unsafe = Annotated[bool, typer.Option("--unsafe", help="With --fix or --diff: also what may change behaviour.")]
Diff = Annotated[bool, typer.Option("--diff", help="Show what --fix would change, and change nothing.")]
Statistics = Annotated[bool, typer.Option("--statistics", help="Count the findings of each rule instead.")]
ShowFiles = Annotated[bool, typer.Option("--show-files", help="Say what each file is, and what was not checked.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Nothing but findings at or above --fail-on.")]
Baseline = Annotated[Path | None, typer.Option("--baseline", help="File of findings that do not count.")]
WriteBaseline = Annotated[Path | None, typer.Option("--write-baseline", help="Write all findings to such a file.")]
AllowEmpty = Annotated[bool, typer.Option("--allow-empty", help="It is fine when no file starts a vLLM server.")]


def command(  # noqa: PLR0913 - one parameter an option
    paths: Paths = None,
    gpu: GpuName = None,
    gpus: Gpus = None,
    instance: opt.Instance = None,
    vllm_version: Annotated[
        str | None, typer.Option("--vllm-version", help="vLLM release; default: the file's, else the newest known.")
    ] = None,
    kind: Kind = None,
    select: Names = None,
    ignore: Ignored = None,
    exclude: Exclude = None,
    fix: DoFix = False,  # noqa: FBT002
    unsafe: Unsafe = False,  # noqa: FBT002
    diff: Diff = False,  # noqa: FBT002
    format_: Format = "text",
    output: opt.Output = None,
    statistics: Statistics = False,  # noqa: FBT002
    show_files: ShowFiles = False,  # noqa: FBT002
    quiet: Quiet = False,  # noqa: FBT002
    fail_on: FailOn = None,
    exit_zero: ExitZero = False,  # noqa: FBT002
    baseline: Baseline = None,
    write_baseline: WriteBaseline = None,
    allow_empty: AllowEmpty = False,  # noqa: FBT002
    color: opt.Color = "auto",
) -> None:
    """Find what is wrong with vLLM configurations: flags, memory, parallelism, operations, security.

    Reads vLLM YAML configs, shell scripts, Dockerfiles, Compose, Kubernetes, KServe, Helm values, SkyPilot, dstack,
    Ray Serve and systemd units. The release comes from the image tag or a pip pin in the file.
    """
    from llmtune.cli import lint_command as run  # noqa: PLC0415 - everything that --help does not need

    wanted = run.Wanted(
        paths=tuple(paths or ()),
        gpu=gpu,
        gpus=gpus,
        instance=instance,
        release=vllm_version,
        kind=kind,
        select=run.split_names(select),
        ignore=run.split_names(ignore),
        exclude=tuple(exclude or ()),
        fix=fix,
        unsafe=unsafe,
        diff=diff,
        format_=format_,
        output=output,
        statistics=statistics,
        show_files=show_files,
        quiet=quiet,
        fail_on=fail_on,
        exit_zero=exit_zero,
        baseline=baseline,
        write_baseline=write_baseline,
        allow_empty=allow_empty,
        color=color,
    )
    raise typer.Exit(run.lint(wanted))
