"""dstackai/benchmarks: Llama-3.1-405B in FP8 on 8 x H100 and on MI300X, November 2024.

Offline rows: ``benchmark_throughput.py`` with ``--max-model-len 91680`` (MI300X also ``--enforce-eager``; Meta's
checkpoint there with 15 scheduler steps). Online rows: ``benchmark_serving.py``, 1,000 ShareGPT prompts, Poisson.
Releases: a nightly build between 0.6.3.post1 and 0.6.4 (H100), 0.6.4.dev4 (MI300X). A row's label names machine and
checkpoint and is right where the table's GPU is not; two servers ("2FP8") are sums of the measurements of one. Of the
1,000 answers of Meta's checkpoint 378 were empty (raw data of the comparison): the client counts 0 s to the first token
of each, and while they leave at once the others stay longer than lengths of one shape would. Online, first tokens are
left out.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from performance_sources.common import KEPT, Found, Run, Source, measured, sharegpt

if TYPE_CHECKING:
    from collections.abc import Iterable

PREFIX = "https://github.com/dstackai/benchmarks/"
RELEASE = "0.6.4"
META = "meta-llama/Meta-Llama-3.1-405B-Instruct-FP8"
AMD = "amd/Llama-3.1-405B-Instruct-FP8-KV"
SAID = re.compile(r"(\d)x(H100|Mi300x?)\s+(\d)FP8-(meta|amd)")
LENGTH = 91680
RENAMED = {"num-scheduler-step": "num-scheduler-steps"}


def read(rows: Iterable[Found]) -> Source:
    """Every vLLM row of its tables."""
    found = [row for row in rows if row["source_url"].startswith(PREFIX)]
    url = "/".join(found[0]["source_url"].split("/")[:7])
    about = "A batch at once, or 1000 ShareGPT prompts with Poisson arrivals. Settings: README of the comparison."
    return Source("dstack", url, "Apache-2.0", about, [_run(row) for row in found])


def _run(row: Found) -> Run:
    label = SAID.search(row["notes"])
    boards, machine, servers, maker = label.groups() if label else ("8", "H100", "1", "meta")
    online = row["workload"] == "online"
    gpu = "h100-sxm" if machine == "H100" else "mi300x"
    settings = settings_of(row) if online else _offline(gpu, maker)
    count = row["batch_or_concurrency"] or f"{float(row['request_rate']):g}qps"
    table = row["source_url"].rpartition("/")[2].removesuffix(".csv")
    name = f"{table}-{boards}x{gpu}-{maker}-{row['input_len']}-{count}".replace("_", "-")
    values = {name: value for name, value in measured(row).items() if not (online and name.startswith("ttft"))}
    excluded = "" if values else "the table has no number"
    if servers == "2":
        excluded = "the sum over two servers, of which one was measured"
    return Run(
        id=name,
        model=META if maker == "meta" else AMD,
        gpu=gpu,
        gpus=int(boards),
        engine=RELEASE,
        settings={"tensor-parallel-size": int(boards), **settings},
        load=_load(row, online=online),
        measured=values,
        stated="0.6.3.post2.dev308" if gpu == "h100-sxm" else "0.6.4.dev4",
        assumed=("engine",),
        excluded=excluded,
        url="/".join(row["source_url"].split("/")[7:]),
    )


def settings_of(row: Found) -> dict[str, Any]:
    """The settings of an online row: ``name=value`` pairs and two columns."""
    found = {"max-num-seqs": row["max_num_seqs"], "max-num-batched-tokens": row["max_num_batched_tokens"]}
    return read_pairs(row["other_flags"], found)


def read_pairs(text: str, found: dict[str, str] | None = None) -> dict[str, Any]:
    """Settings written as ``name=value; name=value``; a value of ``default`` says nothing."""
    pairs = dict(pair.split("=", 1) for pair in re.split(r";\s*", text) if "=" in pair)
    named = {RENAMED.get(flag, flag): value for flag, value in {**pairs, **(found or {})}.items()}
    if named.get("enable-chunked-prefill") == "FALSE":  # the engine refuses a budget below the length: not what ran
        named.pop("max-num-batched-tokens", None)
    return {
        "max-model-len": LENGTH,
        **{flag: _value(value) for flag, value in named.items() if value not in {"", "default"} and flag in KEPT},
    }


def _value(text: str) -> bool | int:
    return text == "TRUE" if text in {"TRUE", "FALSE"} else int(text)


def _offline(gpu: str, maker: str) -> dict[str, Any]:
    steps = 15 if gpu == "mi300x" and maker == "meta" else 1
    eager = {"enforce-eager": True} if gpu == "mi300x" else {}
    return {"max-model-len": LENGTH, "num-scheduler-steps": steps, **eager}


def _load(row: Found, *, online: bool) -> dict[str, Any]:
    if online:
        load = sharegpt(row["input_len"], row["output_len"])
        return {**load, "rate": float(row["request_rate"]), "requests": int(row["num_prompts"])}
    lengths = {"prompt": int(float(row["input_len"])), "output": int(float(row["output_len"]))}
    return {**lengths, "batch": int(row["batch_or_concurrency"])}
