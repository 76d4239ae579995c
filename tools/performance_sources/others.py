"""Small sets: LLMServingSim, MLPerf, vLLM's recipes, vendors' pages, threads, blogs.

What cannot be compared is kept with the reason: most of these do not say the GPU, the release, or how a model is split.
Lengths of LLMServingSim are those of its ``requests.jsonl`` (its settings: ``meta.json``). MLPerf's Llama-3.1-8B
summarises CNN-DailyMail: 778 tokens in, 73 out on average (mlcommons.org, Small LLM Inference 5.1).
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from performance_sources.common import Found, Run, Source, measured, number, read_command, rounded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

UNSPLIT = "how the model is split over the GPUs is not said"
NO_RATE = "the arrival rate is not said"
SIMULATOR: dict[str, dict[str, Any]] = {  # median, 95th percentile and mean of 300 requests
    "meta-llama/Llama-3.1-8B": {
        "prompt": [733, 1785], "prompt_mean": 857.5, "output": [633, 773], "output_mean": 652.5,
    },
    "Qwen/Qwen3-30B-A3B-Instruct-2507": {
        "prompt": [729, 1831], "prompt_mean": 862.3, "output": [641, 822], "output_mean": 665.0,
    },
}  # fmt: skip
CARDS = {
    "NVIDIA RTX 4090": "rtx-4090",
    "NVIDIA RTX PRO 6000": "rtx-pro-6000-blackwell-workstation",
    "NVIDIA L40S": "l40s",
    "NVIDIA H100-SXM-80GB": "h100-sxm",
    "H100": "h100-sxm",
    "H200": "h200-sxm",
    "H20": "h20",
    "H800": "h800-sxm",
    "MI300X": "mi300x",
    "NVIDIA B200-SXM": "b200",
}
LATER = {  # recipes name no release: one that was new when the recipe was written
    "zai-org/GLM-4.5V-FP8": "0.10.1",
    "deepseek-ai/DeepSeek-V3.2": "0.11.0",
    "stepfun-ai/Step-3.5-Flash": "0.16.0",
    "mistralai/Ministral-3-14B-Instruct-2512": "0.12.0",
}


def read_simulator(rows: Iterable[Found]) -> Source:
    """casys-kaist/LLMServingSim, bench/examples: real vLLM 0.19.0 runs that the simulator is compared with."""
    return _source("llmservingsim", rows, "https://github.com/casys-kaist/", "MIT", _simulator)


def read_mlperf(rows: Iterable[Found]) -> Source:
    """MLPerf Inference v5.1 results that name vLLM."""
    prefix = "https://github.com/mlcommons/inference_results_v5.1/"
    return _source("mlperf", rows, prefix, "MLCommons results (attribution)", _mlperf)


def read_recipes(rows: Iterable[Found]) -> Source:
    """vllm-project/recipes: outputs of ``vllm bench serve`` quoted in recipes; GPU and command stand nearby."""
    return _source("recipes", rows, "https://github.com/vllm-project/recipes/", "Apache-2.0", _recipe)


def read_rest(rows: Iterable[Found]) -> Source:
    """Vendors' pages, pull requests, a blog, premAI."""
    prefixes = (
        "https://docs.vultr.com/", "https://mushfiqrahman.dev/", "https://github.com/premAI-io/",
        "https://github.com/vllm-project/vllm/", "https://github.com/vllm-project/vllm-ascend/",
        "https://github.com/pytorch/xla/",
    )  # fmt: skip
    return _source("pages", rows, prefixes, "see each address", _page)


def _source(
    name: str, rows: Iterable[Found], prefix: str | tuple[str, ...], licence: str, read: Callable[[Found], Run]
) -> Source:
    found = [row for row in rows if row["source_url"].startswith(prefix)]
    runs = [replace(read(row), url=row["source_url"]) for row in found]
    return Source(name, "", licence, (read.__doc__ or "").strip(), runs)


def _simulator(row: Found) -> Run:
    """Poisson arrivals, 10 a second, ShareGPT prompts with long answers; lengths are pinned."""
    replicas = int(row["num_gpus"])
    layout = {"data-parallel-size": replicas, "enable-expert-parallel": True} if replicas > 1 else {}
    limits = {"max-num-seqs": int(row["max_num_seqs"]), "max-num-batched-tokens": int(row["max_num_batched_tokens"])}
    # The 4090's run names a length; the model's own does not fit beside its weights.
    length = {"max-model-len": 32768} if "4090" in row["gpu"] else {}
    return Run(
        id=f"{CARDS[row['gpu']]}-{row['model'].partition('/')[2].casefold()}",
        model=row["model"],
        gpu=CARDS[row["gpu"]],
        gpus=replicas,
        engine=row["framework_version"],
        settings={**layout, **limits, **length, "dtype": "bfloat16"},
        load={
            **SIMULATOR[row["model"]],
            "rate": float(row["request_rate"]),
            "requests": int(row["num_prompts"]),
            "dataset": "sharegpt",
        },
        measured=measured(row),
    )


def _mlperf(row: Found) -> Run:
    """Tokens a second in MLPerf's scenarios; queries come from its data sets."""
    path = row["source_url"].rpartition("/results/")[2]
    gpus, scenario = number(row["num_gpus"]) or 0, path.rpartition("/")[2].casefold()
    excluded = UNSPLIT if gpus != 1 else "" if row["gpu"] in CARDS else "the GPU is not in the catalogue"
    if not excluded and scenario != "offline":
        excluded = NO_RATE
    if not excluded and row["quantization"] != "fp8":
        excluded = f"{row['quantization']} weights"
    summaries = row["model"] == "llama3.1-8b"
    return Run(
        id=path.replace("/", "-").casefold(),
        model="RedHatAI/Meta-Llama-3.1-8B-Instruct-FP8" if summaries else row["model"],
        gpu=CARDS.get(row["gpu"], row["gpu"]),
        gpus=gpus,
        engine=row["framework_version"],
        settings={"tensor-parallel-size": 1} if gpus == 1 else {},
        load={"prompt": 778, "output": 73, "requests": 13368, "dataset": "cnn-dailymail"} if summaries else {},
        measured=measured(row),
        assumed=("settings", "model", "prompt") if summaries else (),
        excluded=excluded,
    )


def _recipe(row: Found) -> Run:
    """Random prompts unless a data set is named; the GPU stands near the quoted output."""
    release, gpu = LATER.get(row["model"], ""), CARDS.get(row["gpu"], row["gpu"])
    excluded = ""
    if not gpu or gpu == row["gpu"]:
        excluded = "the GPU is not said"
    elif not release:
        excluded = "release or settings are not said"
    settings = read_command(_command(row["other_flags"]), release)[1] if not excluded else {}
    if row["tp"] and not excluded:
        settings["tensor-parallel-size"] = int(row["tp"])
    if "speculative-config" in settings:
        excluded = "how many draft tokens were accepted is not known"
    return Run(
        id=row["model"].rpartition("/")[2].casefold(),
        model=row["model"],
        gpu=gpu,
        gpus=number(row["num_gpus"]) or 0,
        engine=release,
        settings=settings,
        load=_load(row),
        measured=measured(row),
        assumed=("engine", "gpu", "settings"),
        excluded=excluded,
    )


def _command(text: str) -> str:
    """One command of a comment and a command, cut where the table cut it."""
    words = text[text.find("vllm serve") :].split()
    return " ".join(words[:-1] if words and words[-1].startswith("--") else words).replace("'", "")


def _load(row: Found) -> dict[str, Any]:
    load: dict[str, Any] = {}
    for key, column in (("prompt", "input_len"), ("output", "output_len"), ("requests", "num_prompts")):
        if row[column]:
            load[key] = round(float(row[column]))
    if row["request_rate"] not in {"", "inf"}:
        load["rate"] = float(row["request_rate"])
    elif row["batch_or_concurrency"]:
        load["concurrency"] = int(float(row["batch_or_concurrency"]))
    return load


def _page(row: Found) -> Run:
    """Excerpts: what they leave out is the reason why most are not compared."""
    blog = "mushfiqrahman" in row["source_url"]
    thread = re.search(r"(pull|issues)/(\d+)", row["source_url"])
    where = f"thread-{thread[2]}" if thread else row["source_url"].split("/")[2]
    excluded = "" if blog else _left_out(row)
    gpu = CARDS.get(row["gpu"], row["gpu"])
    settings: dict[str, Any] = {"tensor-parallel-size": int(row["tp"])} if row["tp"] else {}
    return Run(
        id=f"{where}-{row['model'].rpartition('/')[2].casefold()}-{row['batch_or_concurrency'] or row['workload']}",
        model=row["model"],
        gpu=gpu,
        gpus=number(re.sub(r" .*", "", row["num_gpus"])) or 0,
        engine="0.15.0" if blog else row["framework_version"],
        settings={**settings, "max-model-len": 4096} if blog else settings,
        load={**_load(row), **_ended_early(row)} if blog else _load(row),
        measured=measured(row),
        assumed=("engine", "settings") if blog else (),
        excluded=excluded,
    )


def _ended_early(row: Found) -> dict[str, Any]:
    """Answers of up to 128 tokens, of which tokens and requests a second say that they have 100 on average."""
    mean = float(row["output_tok_s"]) / float(row["req_s"])
    return {"output": [round(mean), int(float(row["output_len"]))], "output_mean": rounded(mean)}


def _left_out(row: Found) -> str:
    if "vultr" in row["source_url"]:
        if "rocm" in row["source_url"]:
            return "GPU count and what is counted as throughput are not said"
        return "the checkpoint is not in the catalogue"
    if "premAI" in row["source_url"]:
        return "the prompt's length is not said"
    return "the GPU is not said" if "Google" not in row["gpu"] else "the GPU is not in the catalogue"
