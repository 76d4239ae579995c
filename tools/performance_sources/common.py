"""What all sources share: a run in our own form, numbers as they are written, lengths, and reading of flags."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from llmtune.catalog import engines
from llmtune.readers.arguments import survey

if TYPE_CHECKING:
    from collections.abc import Mapping

Found = dict[str, str]  # one row of the table of public measurements
DIGITS = 5  # significant digits that are kept of a measured value
MILLI = 1e-3

MEASURED = {  # our name: (column, factor)
    "ttft_s": ("mean_ttft_ms", MILLI),
    "ttft_p99_s": ("p99_ttft_ms", MILLI),
    "tpot_s": ("mean_tpot_ms", MILLI),
    "tpot_p99_s": ("p99_tpot_ms", MILLI),
    "output_tok_s": ("output_tok_s", 1.0),
    "total_tok_s": ("total_tok_s", 1.0),
    "req_s": ("req_s", 1.0),
}
# ShareGPT as ``benchmark_serving.py`` samples it, over its mean: median and 95th percentile of the lengths of 1000
# prompts (mean 215.2, median 83, 95 % 757 tokens) and of the 621 answers that were not empty (mean 194.3, median 169,
# 95 % 516), in dstackai/benchmarks, comparison/h100sxm5_vs_mi300x/raw_data/8xH100SXM5-serving, 16 requests a second.
SHAREGPT = {"prompt": (83 / 215.2, 757 / 215.2), "output": (169 / 194.3, 516 / 194.3)}
# Flags that decide speed or memory; parsers, templates, names and ports say nothing here.
KEPT = frozenset(
    {
        *("tensor-parallel-size", "pipeline-parallel-size", "data-parallel-size", "enable-expert-parallel"),
        *("max-num-seqs", "max-num-batched-tokens", "max-model-len", "gpu-memory-utilization", "dtype"),
        *("quantization", "kv-cache-dtype", "block-size", "enforce-eager", "async-scheduling", "compilation-config"),
        *("enable-prefix-caching", "enable-chunked-prefill", "num-scheduler-steps", "max-seq-len-to-capture"),
        *("max-cudagraph-capture-size", "cuda-graph-sizes", "performance-mode", "speculative-config"),
        *("language-model-only", "swap-space", "cpu-offload-gb", "enable-dbo", "stream-interval"),
    }
)


@dataclass(frozen=True)
class Run:
    """One measurement: the deployment, the load it got, and what was measured.

    ``stated`` is the release as the source has it, where ``engine`` is another one that stands in. ``assumed`` names
    what the source does not say and was deduced (``engine``, ``settings``, ``model``, ``gpu``, ``prompt``,
    ``prefix``). ``excluded`` says why it cannot be compared with a prediction.
    """

    id: str
    model: str
    gpu: str
    gpus: int
    engine: str
    settings: Mapping[str, Any]
    load: Mapping[str, Any]
    measured: Mapping[str, float]
    assumed: tuple[str, ...] = ()
    excluded: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    url: str = ""  # where it differs from the file's: an address, or what follows the file's
    stated: str = ""

    @property
    def deployment(self) -> dict[str, Any]:
        """What runs of one server share."""
        extra = {"environment": dict(self.environment), "stated": self.stated, "assumed": list(self.assumed)}
        return {
            "model": self.model,
            "gpu": self.gpu,
            "gpus": self.gpus,
            "engine": self.engine,
            "settings": dict(self.settings),
            **{key: value for key, value in extra.items() if value},
        }

    @property
    def run(self) -> dict[str, Any]:
        """What is this run's own; what is as usual is left out."""
        extra = {"excluded": self.excluded, "url": self.url}
        return {
            "id": self.id,
            "load": dict(self.load),
            "measured": dict(self.measured),
            **{key: value for key, value in extra.items() if value},
        }


@dataclass(frozen=True)
class Source:
    """A public set of measurements.

    ``url`` holds ``{id}`` where every run has an address of its own. ``statistic`` says what the seconds are over
    requests: ``mean``, ``median``, ``unknown``.
    """

    name: str
    url: str
    licence: str
    about: str
    runs: list[Run] = field(default_factory=list)
    statistic: str = "mean"
    repeated: int = 0  # rows of the table that say the same measurement again


def rounded(value: float) -> float:
    """A measured value with the digits that mean something."""
    short = float(f"{value:.{DIGITS}g}")
    return int(short) if short.is_integer() else short


def measured(row: Found, *names: str) -> dict[str, float]:
    """What was measured, seconds and rates a second; only some of it where ``names`` are given."""
    return {
        name: rounded(float(row[column]) * factor)
        for name, (column, factor) in MEASURED.items()
        if (not names or name in names) and row[column]
    }


def number(text: str) -> int | None:
    """A whole number of the table, or None where it is blank."""
    return int(float(text)) if text else None


def uniform(longest: int, least: float) -> list[int]:
    """Median and 95th percentile of lengths that are spread evenly between ``least`` x ``longest`` and ``longest``."""
    lowest = int(longest * least)
    return [round(lowest + (longest - lowest) * share) for share in (0.5, 0.95)]


def sharegpt(prompt: str, output: str) -> dict[str, Any]:
    """ShareGPT's lengths, by their means: with the shape of the sample in ``SHAREGPT``."""
    load: dict[str, Any] = {}
    for name, mean in (("prompt", float(prompt)), ("output", float(output))):
        load[name] = [max(1, round(mean * share)) for share in SHAREGPT[name]]
        load[f"{name}_mean"] = mean
    return {**load, "dataset": "sharegpt"}


def noted(row: Found, key: str) -> str:
    """The value after ``key=`` in a row's notes or flags."""
    found = re.search(rf"\b{key}=([^;]*)", f"{row['other_flags']}; {row['notes']}")
    return found[1].strip() if found else ""


def read_command(text: str, release: str) -> tuple[str, dict[str, Any]]:
    """The model and the settings that matter of a ``vllm serve`` command, or of its options alone."""
    words = re.sub(r'(?<=[={,:])"|"(?=[:,}])', '\\"', text)  # quotes inside JSON stand bare in the table
    tokens = shlex.split(words.partition("vllm serve ")[2] or words)
    arguments = survey(tokens, engines.find(release))
    settings = {setting.flag: setting.value for setting in arguments.settings if setting.flag in KEPT and setting.known}
    return (arguments.positionals[0].text if arguments.positionals else ""), settings
