"""``llmtune bench-read``: what a benchmark measured, beside what is predicted, and kept for later predictions."""

from __future__ import annotations

from typing import Annotated

import typer

from llmtune.cli import load_options as load  # noqa: TC001 - Typer reads the annotations
from llmtune.cli import options as opt  # noqa: TC001

Words = Annotated[
    list[str] | None,
    typer.Argument(
        help="Result files of 'vllm bench serve --save-result' (or a directory of them), then the server that ran: a "
        "file that starts it, or '-- vllm serve MODEL ...'; default: vllm serve with the model of the result.",
        metavar="RESULT.json... [FILE | -- COMMAND]",
    ),
]
FailOver = Annotated[
    float | None,
    typer.Option("--fail-over", help="Exit 1 when TTFT, TPOT or output tokens/s are off by more than PERCENT."),
]
Save = Annotated[bool, typer.Option("--save", help="Keep the figures: later predictions of this server use them.")]
Name = Annotated[str | None, typer.Option("--name", help="Name of the record; default: model, GPU and release.")]
Format = Annotated[str, typer.Option("--format", "-f", help="text or json.")]


def command(  # noqa: PLR0913 - one parameter an option
    words: Words = None,
    fail_over: FailOver = None,
    save: Save = False,  # noqa: FBT002
    name: Name = None,
    prefix_hit: load.PrefixHit = None,
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
) -> None:
    """Compare what `vllm bench serve` measured with what is predicted, and let later predictions use it.

    The load is read from the result file. With `--save` the measured times become a calibration record of the same file
    that `llmtune calibrate` keeps.
    """
    from llmtune.cli import bench_reading as reading  # noqa: PLC0415 - the calculation, which --help does not need
    from llmtune.cli import judge  # noqa: PLC0415
    from llmtune.cli.calibrations import load_records  # noqa: PLC0415
    from llmtune.cli.servers import HardwareOptions, Source  # noqa: PLC0415
    from llmtune.cli.terminal import deliver, say  # noqa: PLC0415

    judge.check_choice("--format", format_, ("text", "json"))
    reading.check_options(fail_over, name, save=save, off=no_calibration)
    exists = calibration is None or calibration.exists() or not save
    records = load_records(calibration if exists else None, off=no_calibration)
    wanted = HardwareOptions(
        gpu, gpus, nodes, instance, gpu_memory, free_memory, shared_with, gpu_share, compute_capability
    )
    results, server = reading.read_results(words or [], prefix_hit)
    source = Source(vllm_version, no_hub, assume_architecture, records)
    found = reading.compare(results, server, wanted, source)
    deliver(reading.render(found, format_), output)
    if save:
        say((reading.keep(found, calibration, name),))
    raise typer.Exit(1 if fail_over is not None and found.worst > fail_over / 100 else 0)
