"""``llmtune show``: everything the catalogue knows of one thing."""

from __future__ import annotations

from typing import Annotated

import typer

from llmtune.cli import options as opt  # noqa: TC001 - Typer reads the annotations

KINDS = ("gpu", "instance", "model", "scenario", "version")
Kind = Annotated[str, typer.Argument(help=" | ".join(KINDS), metavar="KIND")]
Name = Annotated[str, typer.Argument(help="Which one.")]
Format = Annotated[str, typer.Option("--format", "-f", help="text or json.")]


def command(
    kind: Kind,
    name: Name,
    format_: Format = "text",
    offline: opt.Offline = False,  # noqa: FBT002
) -> None:
    """Show one GPU, instance, model, scenario or vLLM version with its facts and sources."""
    from llmtune.cli.judge import check_choice  # noqa: PLC0415 - not needed by --help
    from llmtune.cli.tables import facts  # noqa: PLC0415
    from llmtune.cli.terminal import deliver  # noqa: PLC0415

    check_choice("KIND", kind, KINDS)
    check_choice("--format", format_, ("text", "json"))
    deliver(facts(kind, name, format_, offline=offline), None)
