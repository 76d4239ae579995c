"""argonne-lcf/LLM-Inference-Bench: one batch of equal random prompts, offline, without end of sequence.

``benchmark_throughput.py`` of that repository times ``LLM.generate`` on a batch: throughput is prompt and output tokens
over that time. Everything but model, TP, dtype and lengths is vLLM's default. Releases: GH200 0.5.3.post1 and MI250 and
MI300X 0.6.1 are stated in its READMEs and scripts; A100's requirements are those of a build between 0.6.1.post2 and
0.6.2; H100 took the release of the day (mid 2024). Releases before 0.6.0 processed outputs after each step: 0.6.0 with
``--disable-async-output-proc`` stands in for them.

Some models of its table (Llama, Mixtral, GPT-J, Qwen2-72B; NVIDIA GPUs) are a source of their own, ``argonne-unseen``,
that nothing is fitted to. Machines and most layers are those of fitted rows: only the fold without the model leaves
out all of its layers.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from performance_sources.common import Found, Run, Source, measured, rounded

if TYPE_CHECKING:
    from collections.abc import Iterable

PREFIX = "https://github.com/argonne-lcf/LLM-Inference-Bench/"
OLDEST = "0.6.0"  # the oldest release of the catalogue stands in for older ones
OLDER = "0.5.3.post1"
GPUS = {  # our name, release, and what is stated where that is another one
    "NVIDIA A100-SXM4-40GB": ("a100-sxm-40gb", "0.6.1.post2", "0.6.1.post2 to 0.6.2"),
    "NVIDIA H100-SXM5-80GB": ("h100-sxm", OLDEST, "mid 2024"),
    "NVIDIA GH200": ("gh200-96gb", OLDEST, OLDER),
    "AMD MI250": ("mi250", "0.6.1", ""),
    "AMD MI300X": ("mi300x", "0.6.1", ""),
    "Intel Max 1550": ("", OLDEST, "mid 2024"),
}

NAMES = {  # in All_results.csv
    "Nvidia A100 GPU": "NVIDIA A100-SXM4-40GB",
    "Nvidia H100 GPU": "NVIDIA H100-SXM5-80GB",
    "Nvidia GH200 GPU": "NVIDIA GH200",
}


def read(rows: Iterable[Found]) -> Source:
    """Every vLLM row of All_results.csv and of the table behind figure 22."""
    found = [row for row in rows if row["source_url"].startswith(PREFIX)]
    about = "A batch of equal random prompts at once; total_tok_s is prompt and output tokens over batch_s."
    return Source("argonne", found[0]["source_url"], "BSD-3-Clause", about, [_run(row) for row in found])


def read_unseen(table: Iterable[Found], rows: Iterable[Found]) -> Source:
    """The vLLM rows of the repository's own All_results.csv on NVIDIA's GPUs, for models that ``read`` has none of."""
    url, models = "", set()
    for row in rows:
        if row["source_url"].startswith(PREFIX):
            models.add(row["model"])
            url = url or row["source_url"]
    runs = [
        _run(_as_found(row, url))
        for row in table
        if row["Framework"] == "vLLM" and row["Hardware"] in NAMES and row["Model"] not in models
    ]
    return Source("argonne-unseen", url, "BSD-3-Clause", "As argonne, for models that nothing is fitted to.", runs)


def _as_found(row: Found, url: str) -> Found:
    """A row of All_results.csv as the table of public measurements has it; lengths of prompt and answer are equal."""
    length, count = row["Input Output Length"], row["Num of Hardware"]
    same = {"source_url": url, "model": row["Model"], "gpu": NAMES[row["Hardware"]], "num_gpus": count, "tp": count}
    load = {"batch_or_concurrency": row["Batch Size"], "input_len": length, "output_len": length}
    figures = {"mean_ttft_ms": "", "total_tok_s": row["Throughput"], "notes": f"latency {row['Latency']}s"}
    return {**same, **load, **figures, "dtype": "float16"}


def _run(row: Found) -> Run:
    gpu, release, stated = GPUS[row["gpu"]]
    batch, prompt, output = (int(row[key]) for key in ("batch_or_concurrency", "input_len", "output_len"))
    values = measured(row, "ttft_s", "total_tok_s")
    latency = re.search(r"latency ([\d.]+)s", row["notes"])
    if latency:
        values["batch_s"] = rounded(float(latency[1]))
    short = row["model"].partition("/")[2].casefold()
    settings: dict[str, int | str | bool] = {"tensor-parallel-size": int(row["tp"]), "dtype": row["dtype"]}
    if stated == OLDER:
        settings["disable-async-output-proc"] = True
    first = "" if "All_results" in row["source_url"] else "ttft-"
    return Run(
        id=f"{first}{gpu or 'max-1550'}-{short}-tp{row['tp']}-b{batch}-{prompt}-{output}",
        model=row["model"],
        gpu=gpu or row["gpu"],
        gpus=int(row["num_gpus"]),
        engine=release,
        settings=settings,
        load={"prompt": prompt, "output": output, "batch": batch},
        measured=values,
        stated=stated,
        assumed=("engine",) if stated else (),
        excluded="" if gpu else "the GPU is not in the catalogue",
        url="" if not first else row["source_url"],
    )
