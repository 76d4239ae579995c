"""``llmtune compare``: which hardware for a model and a load."""

from __future__ import annotations

from typing import Annotated

import typer

from llmtune.cli import load_options as load  # noqa: TC001 - Typer reads the annotations
from llmtune.cli import options as opt  # noqa: TC001

ModelName = Annotated[str, typer.Argument(help="Hugging Face id, catalog id or a directory with a config.json.")]
GpusFrom = Annotated[
    str | None, typer.Option("--gpus-from", help="GPUs to compare, e.g. l4,a10g,h100; default: common ones.")
]
Prices = Annotated[
    str | None, typer.Option("--price", help="USD per GPU and hour, e.g. h100=2.5,l4=0.7; default: dated list prices.")
]
MostGpus = Annotated[int, typer.Option("--max-gpus", help="Most GPUs of one kind to try: 1, 2, 4 or 8.")]
Format = Annotated[str, typer.Option("--format", "-f", help="text or json.")]


def command(  # noqa: PLR0913 - one parameter an option
    model: ModelName,
    gpus_from: GpusFrom = None,
    price: Prices = None,
    max_gpus: MostGpus = 8,
    scenario: load.ScenarioName = None,
    prompt_tokens: load.Prompt = None,
    output_tokens: load.Answer = None,
    concurrency: load.Concurrency = None,
    rate: load.Rate = None,
    offline: load.AllAtOnce = False,  # noqa: FBT002
    requests: load.Requests = None,
    prefix_hit: load.PrefixHit = None,
    seed: load.Seed = 0,
    vllm_version: opt.EngineRelease = None,
    no_hub: load.NoHub = False,  # noqa: FBT002
    assume_architecture: opt.Assume = None,
    calibration: opt.Calibration = None,
    no_calibration: opt.NoCalibration = False,  # noqa: FBT002
    format_: Format = "text",
    output: opt.Output = None,
    color: opt.Color = "auto",
    exit_zero: opt.ExitZero = False,  # noqa: FBT002
) -> None:
    """Compare GPUs for a model and a load: how many are needed, TTFT, TPOT, throughput, cost per million tokens.

    For each GPU the smallest number of 1, 2, 4 and 8 that `llmtune recommend` finds a configuration for is simulated.
    """
    from llmtune.cli import judge, market  # noqa: PLC0415 - the calculation, which --help does not need
    from llmtune.cli.calibrations import load_records  # noqa: PLC0415
    from llmtune.cli.loads import LoadOptions, read_load  # noqa: PLC0415
    from llmtune.cli.servers import Source  # noqa: PLC0415
    from llmtune.cli.terminal import deliver  # noqa: PLC0415

    judge.check_choice("--format", format_, ("text", "json"))
    judge.check_choice("--color", color, ("auto", "always", "never"))
    asked = read_load(
        LoadOptions(scenario, prompt_tokens, output_tokens, concurrency, rate, offline, requests, prefix_hit, seed)
    )
    choice = market.read_choice(gpus_from, price, max_gpus)
    source = Source(vllm_version, no_hub, assume_architecture, load_records(calibration, off=no_calibration))
    found = market.compare(model, choice, asked, source)
    deliver(market.render(found, format_, color=color, to_file=output is not None), output)
    raise typer.Exit(0 if exit_zero or any(offer.fits for offer in found.offers) else 1)
