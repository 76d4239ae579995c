"""IOG-Foundation/llm-inference-benchmarks: 200 ShareGPT prompts, Poisson arrivals, over PCIe.

vLLM 0.8.5 (its README and requirements.txt), ``benchmark_serving.py`` with burstiness 1. The server's command is an
example (``--dtype float16 --tensor-parallel-size N``); ``--max-model-len`` was set "as needed" and is not said: models
whose own length does not fit beside their weights must have got a shorter one. It does not change the speed.
``run_benchmark.sh`` sends the same 200 requests to one server at 32, 16, 8, 4 and 1 a second, in this order. That the
servers of RTX 4090 ran without CUDA graphs is deduced: a step takes them 0.4 ms a layer at least, 11 ms for 1.5B on one
card as for 7B on four, where the H100 takes 0.15 ms.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from performance_sources.common import Found, Run, Source, measured, sharegpt

if TYPE_CHECKING:
    from collections.abc import Iterable

PREFIX = "https://github.com/IOG-Foundation/"
RELEASE = "0.8.5"
GPUS = {"NVIDIA H100-PCIe": "h100-pcie", "NVIDIA RTX 4090": "rtx-4090"}
FIRST = 32.0  # requests a second: later runs send prompts that the server has seen
LENGTH = 4096  # tokens: prompts and answers of the data set stay below 2,048


def read(rows: Iterable[Found]) -> Source:
    """Every row of its results directory."""
    found = [row for row in rows if row["source_url"].startswith(PREFIX)]
    url = found[0]["source_url"].partition("/results/")[0] + "/results"
    about = "200 ShareGPT prompts with Poisson arrivals. Settings: its README; the length is assumed."
    return Source("iog", url, "Apache-2.0", about, [_run(row) for row in found])


def _run(row: Found) -> Run:
    gpu = GPUS[row["gpu"]]
    rate = float(row["request_rate"])
    name = row["model"].partition("/")[2].casefold()
    repeat = row["notes"].rpartition("run ")[2]
    eager = {"enforce-eager": True} if gpu == "rtx-4090" else {}
    settings = {"tensor-parallel-size": int(row["tp"]), "dtype": "float16", "max-model-len": LENGTH, **eager}
    return Run(
        id=f"{gpu}x{row['num_gpus']}-{name}-{rate:g}qps-{repeat}",
        model=row["model"],
        gpu=gpu,
        gpus=int(row["num_gpus"]),
        engine=RELEASE,
        settings=settings,
        load={
            **sharegpt(row["input_len"], row["output_len"]),
            "rate": rate,
            "requests": int(row["num_prompts"]),
            **({} if rate == FIRST else {"resent": True}),
        },
        measured=measured(row),
        assumed=("settings",),
    )
