"""The options that describe a load, shared by the commands that predict or measure one."""

from __future__ import annotations

from typing import Annotated

import typer

LOAD = "Load"
TOKENS = "tokens: one number, or P50:P95 (median and 95th percentile)"

ScenarioName = Annotated[
    str | None,
    typer.Option(
        "--scenario",
        "-s",
        help="Where the load comes from that the options leave open: a shipped scenario or a YAML file; default: chat.",
        rich_help_panel=LOAD,
    ),
]
Prompt = Annotated[str | None, typer.Option("--prompt-tokens", help=f"Prompt {TOKENS}.", rich_help_panel=LOAD)]
Answer = Annotated[str | None, typer.Option("--output-tokens", help=f"Output {TOKENS}.", rich_help_panel=LOAD)]
Concurrency = Annotated[
    int | None,
    typer.Option("--concurrency", help="Requests in flight: the next starts when one ends.", rich_help_panel=LOAD),
]
Rate = Annotated[
    str | None,
    typer.Option("--rate", help="Requests that arrive at random, e.g. 12/s or 90/min.", rich_help_panel=LOAD),
]
AllAtOnce = Annotated[bool, typer.Option("--offline", help="All requests at once: a batch job.", rich_help_panel=LOAD)]
Requests = Annotated[
    int | None,
    typer.Option("--requests", help="Requests in the run; default: enough for a steady state.", rich_help_panel=LOAD),
]
PrefixHit = Annotated[
    str | None,
    typer.Option("--prefix-hit", help="Share of prompt tokens in the prefix cache, e.g. 0.4.", rich_help_panel=LOAD),
]
Seed = Annotated[int, typer.Option("--seed", help="Another draw of lengths and arrivals.", rich_help_panel=LOAD)]
NoHub = Annotated[bool, typer.Option("--no-hub", help="Never ask the Hugging Face Hub.")]
