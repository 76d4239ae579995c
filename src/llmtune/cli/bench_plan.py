"""``llmtune bench-plan``: the benchmark that would verify a prediction on the real machine."""

from __future__ import annotations

from typing import Annotated

import typer

from llmtune.cli import load_options as load  # noqa: TC001 - Typer reads the annotations
from llmtune.cli import options as opt  # noqa: TC001

Words = Annotated[
    list[str] | None,
    typer.Argument(
        help="A file that starts one server, '-- vllm serve MODEL ...', or a model to recommend a server for.",
        metavar="FILE | MODEL | -- COMMAND",
    ),
]
Sweep = Annotated[bool, typer.Option("--sweep", help="Write one 'vllm bench sweep serve' command (0.11.1 and later).")]


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
    sweep: Sweep = False,  # noqa: FBT002
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
    output: opt.Output = None,
) -> None:
    """Write the shell script that verifies a prediction: the server, a warm-up, and runs at several loads.

    The runs use vLLM's own client with the flags of the target release, and carry what is predicted as comments. Their
    result files are for `llmtune bench-read`.
    """
    from llmtune.cli import planning  # noqa: PLC0415 - the calculation, which --help does not need
    from llmtune.cli.calibrations import load_records  # noqa: PLC0415
    from llmtune.cli.loads import LoadOptions, read_load  # noqa: PLC0415
    from llmtune.cli.servers import HardwareOptions, Source  # noqa: PLC0415
    from llmtune.cli.terminal import deliver, say  # noqa: PLC0415

    asked = read_load(
        LoadOptions(scenario, prompt_tokens, output_tokens, concurrency, rate, offline, requests, prefix_hit)
    )
    records = load_records(calibration, off=no_calibration)
    wanted = HardwareOptions(
        gpu, gpus, nodes, instance, gpu_memory, free_memory, shared_with, gpu_share, compute_capability
    )
    source = Source(vllm_version, no_hub, assume_architecture, records)
    estimate = planning.find_estimate(words or [], wanted, source, asked)
    failure = estimate.memory.failure
    if failure is not None:
        say((f"this server does not start, so there is nothing to measure: {failure.engine_message}",))
        raise typer.Exit(1)
    script = output.name if output is not None else ""
    text, notes = planning.write_plan(estimate, asked, source, sweep=sweep, script=script)
    say(notes)
    deliver(text, output)
