"""``llmtune estimate``: what an existing configuration will do."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from llmtune.cli import options as opt  # noqa: TC001 - Typer reads the annotations

if TYPE_CHECKING:
    from collections.abc import Callable

    from llmtune.readers import Reading
    from llmtune.spec.engine import EngineVersion
    from llmtune.spec.server import Server

Words = Annotated[
    list[str] | None,
    typer.Argument(help="A file that starts one server, or '-- vllm serve MODEL ...'.", metavar="FILE | -- COMMAND"),
]
Format = Annotated[str, typer.Option("--format", "-f", help="text or json.")]


def command(  # noqa: PLR0913 - one parameter an option
    words: Words = None,
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
    offline: opt.Offline = False,  # noqa: FBT002
    assume_architecture: opt.Assume = None,
    calibration: opt.Calibration = None,
    no_calibration: opt.NoCalibration = False,  # noqa: FBT002
    format_: Format = "text",
    output: opt.Output = None,
    color: opt.Color = "auto",
    exit_zero: opt.ExitZero = False,  # noqa: FBT002
) -> None:
    """Say what an existing vLLM configuration will do on a GPU: memory, KV cache, whether it starts.

    The configuration is any file that `llmtune lint` reads with one server in it (a YAML for `vllm serve --config`, a
    script, a Compose or Kubernetes file), or a command behind `--`. The release comes from --vllm-version, else from
    the image's tag or a pip pin, else it is the newest known.
    """
    from llmtune.cli import judge  # noqa: PLC0415 - the calculation, which --help does not need
    from llmtune.cli.calibrations import load_records  # noqa: PLC0415
    from llmtune.cli.servers import HardwareOptions, Source, estimate_words  # noqa: PLC0415
    from llmtune.cli.terminal import deliver  # noqa: PLC0415

    judge.check_choice("--format", format_, ("text", "json"))
    judge.check_choice("--color", color, ("auto", "always", "never"))
    records = load_records(calibration, off=no_calibration)
    wanted = HardwareOptions(
        gpu, gpus, nodes, instance, gpu_memory, free_memory, shared_with, gpu_share, compute_capability
    )
    result = estimate_words(words or [], wanted, Source(vllm_version, offline, assume_architecture, records))
    deliver(judge.render_estimate(result, format_, color=color, to_file=output is not None), output)
    raise typer.Exit(0 if result.memory.fits or exit_zero else 1)


def release_teller(told: list[str]) -> Callable[[Server], EngineVersion]:
    """What tells the release of a server where no option does: the file or its image; it is said in ``told``."""

    def tell(server: Server) -> EngineVersion:
        from llmtune.cli.cases import release_of  # noqa: PLC0415 - only without --vllm-version

        engine, origin = release_of(server)
        if origin != "newest":
            told.append(f"vLLM {engine.release} is what {'the image' if origin == 'image' else 'the file'} says")
        return engine

    return tell


def read_words(words: list[str], engine: EngineVersion | Callable[[Server], EngineVersion]) -> Reading:
    """A config file, or a command given word by word."""
    from llmtune.cli.errors import UserError  # noqa: PLC0415
    from llmtune.readers import read  # noqa: PLC0415
    from llmtune.readers.kinds.command import read_argv, recognises  # noqa: PLC0415
    from llmtune.readers.source import Source  # noqa: PLC0415

    if not any(word.strip() for word in words):
        raise UserError("no server named; give a file that starts one, or put '-- vllm serve MODEL ...' at the end")
    if len(words) == 1 and not words[0].startswith("-"):
        return read(
            words[0] if recognises(Source(words[0], "")) else Path(words[0]), engine
        )  # a command quoted as a whole
    return read_argv(words, engine)
