"""The options that say what ``recommend`` chooses by."""

from __future__ import annotations

from typing import Annotated

import typer

GOAL = "Choice"

Objective = Annotated[
    str | None,
    typer.Option(
        "--objective", help="throughput, latency or cost; default: what the scenario is for.", rich_help_panel=GOAL
    ),
]
Ttft = Annotated[
    str | None, typer.Option("--ttft", help="Mean time to the first token to meet, e.g. 500ms.", rich_help_panel=GOAL)
]
Tpot = Annotated[
    str | None, typer.Option("--tpot", help="Mean time per further token to meet, e.g. 30ms.", rich_help_panel=GOAL)
]
Price = Annotated[
    float | None,
    typer.Option("--price", help="USD per GPU and hour; default: a dated list price.", rich_help_panel=GOAL),
]
Quantized = Annotated[
    bool,
    typer.Option("--allow-quantized", help="Also try quantised checkpoints of the model.", rich_help_panel=GOAL),
]
Quick = Annotated[
    bool, typer.Option("--quick", help="Choose by memory alone, without predicting times.", rich_help_panel=GOAL)
]
GpuCount = Annotated[
    str | None,
    typer.Option("--gpus", help="GPUs in each node, or a range to choose from, e.g. 1-8.", rich_help_panel="Hardware"),
]
