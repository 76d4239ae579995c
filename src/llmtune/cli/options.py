"""The options that commands share, with one help text each."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

HARDWARE = "Hardware"

GpuName = Annotated[str, typer.Option("--gpu", help="GPU by name, or 'auto' to ask NVML.", rich_help_panel=HARDWARE)]
Gpus = Annotated[int | None, typer.Option("--gpus", help="GPUs in each node.", rich_help_panel=HARDWARE)]
Nodes = Annotated[int, typer.Option("--nodes", help="Nodes.", rich_help_panel=HARDWARE)]
Instance = Annotated[
    str | None, typer.Option("--instance", help="Cloud instance, e.g. p5.48xlarge.", rich_help_panel=HARDWARE)
]
GpuMemory = Annotated[str | None, typer.Option("--gpu-memory", help="Total memory as CUDA reports it, e.g. 79.2GiB.")]
FreeMemory = Annotated[str | None, typer.Option("--free-memory", help="Memory free at the start, e.g. 70GiB.")]
SharedWith = Annotated[
    list[str] | None,
    typer.Option("--shared-with", help="Memory that other processes take on each GPU, e.g. 4GiB; may be repeated."),
]
GpuShare = Annotated[
    str | None, typer.Option("--gpu-share", help="The part of each GPU this server may use, e.g. 0.45 or 1/2.")
]
Capability = Annotated[
    str | None, typer.Option("--compute-capability", help="For a GPU that is not in the catalog, e.g. 8.9.")
]
EngineRelease = Annotated[str | None, typer.Option("--vllm-version", help="vLLM release; default: newest known.")]
Offline = Annotated[bool, typer.Option("--offline", help="Never ask the Hugging Face Hub.")]
Assume = Annotated[
    str | None,
    typer.Option("--assume-architecture", help="Read an unknown model's layers as those of this architecture."),
]
Calibration = Annotated[
    Path | None, typer.Option("--calibration", help="File of measured start-ups; default: your own, if there is one.")
]
NoCalibration = Annotated[bool, typer.Option("--no-calibration", help="Do not use measured start-ups.")]
Output = Annotated[Path | None, typer.Option("--output", "-o", help="Write the answer to a file.")]
Color = Annotated[str, typer.Option("--color", help="auto, always or never.")]
ExitZero = Annotated[bool, typer.Option("--exit-zero", help="Exit 0 also when it does not fit.")]
