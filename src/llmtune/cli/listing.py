"""``llmtune list``: what the catalogue has."""

from __future__ import annotations

from typing import Annotated

import typer

KINDS = ("gpus", "instances", "models", "scenarios", "versions", "rules")
Kind = Annotated[str, typer.Argument(help=" | ".join(KINDS), metavar="KIND")]
Format = Annotated[str, typer.Option("--format", "-f", help="text or json.")]


def command(kind: Kind, format_: Format = "text") -> None:
    """List the GPUs, instances, models, scenarios, vLLM versions or lint rules that llmtune knows."""
    from llmtune.cli.judge import check_choice  # noqa: PLC0415 - not needed by --help
    from llmtune.cli.tables import listing  # noqa: PLC0415
    from llmtune.cli.terminal import deliver  # noqa: PLC0415

    check_choice("KIND", kind, KINDS)
    check_choice("--format", format_, ("text", "json"))
    deliver(listing(kind, format_), None)
