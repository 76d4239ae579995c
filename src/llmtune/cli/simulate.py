"""``llmtune simulate``: how fast an existing configuration answers under a load."""

from __future__ import annotations

from typing import Annotated

import typer

from llmtune.cli import load_options as load  # noqa: TC001 - Typer reads the annotations
from llmtune.cli import options as opt  # noqa: TC001 - Typer reads the annotations

Words = Annotated[
    list[str] | None,
    typer.Argument(help="A file that starts one server, or '-- vllm serve MODEL ...'.", metavar="FILE | -- COMMAND"),
]
Format = Annotated[str, typer.Option("--format", "-f", help="text or json.")]


def command(  # noqa: PLR0913 - one parameter an option
    words: Words = None,
    scenario: load.ScenarioName = None,
    prompt_tokens: load.Prompt = None,
    output_tokens: load.Answer = None,
    concurrency: load.Concurrency = None,
    rate: load.Rate = None,
    offline: load.AllAtOnce = False,  # noqa: FBT002
    requests: load.Requests = None,
    prefix_hit: load.PrefixHit = None,
    seed: load.Seed = 0,
    gpu: opt.GpuName = "auto",
    gpus: opt.Gpus = None,
    nodes: opt.Nodes = 1,
    instance: opt.Instance = None,
    gpu_memory: opt.GpuMemory = None,
    free_memory: opt.FreeMemory = None,
    shared_with: opt.SharedWith = None,
    gpu_share: opt.GpuShare = None,
    compute_capability: opt.Capability = None,
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
    """Say how an existing vLLM configuration will perform under a load: TTFT, TPOT, throughput, what binds.

    The configuration is what `llmtune estimate` takes: a file with one server in it, or a command behind `--`. A replay
    of vLLM's scheduler predicts the times; what the load options leave open comes from a scenario.
    """
    from llmtune.cli import judge, predicting  # noqa: PLC0415 - the calculation, which --help does not need
    from llmtune.cli.calibrations import load_records  # noqa: PLC0415
    from llmtune.cli.loads import LoadOptions, read_load  # noqa: PLC0415
    from llmtune.cli.servers import HardwareOptions, Source, estimate_words  # noqa: PLC0415
    from llmtune.cli.terminal import deliver  # noqa: PLC0415

    judge.check_choice("--format", format_, ("text", "json"))
    judge.check_choice("--color", color, ("auto", "always", "never"))
    asked = read_load(
        LoadOptions(scenario, prompt_tokens, output_tokens, concurrency, rate, offline, requests, prefix_hit, seed)
    )
    records = load_records(calibration, off=no_calibration)
    wanted = HardwareOptions(
        gpu, gpus, nodes, instance, gpu_memory, free_memory, shared_with, gpu_share, compute_capability
    )
    estimate = estimate_words(words or [], wanted, Source(vllm_version, no_hub, assume_architecture, records))
    result = predicting.simulate_load(estimate, asked, records=records)
    deliver(predicting.render_simulation(result, format_, color=color, to_file=output is not None), output)
    raise typer.Exit(0 if result.performance is not None or exit_zero else 1)
