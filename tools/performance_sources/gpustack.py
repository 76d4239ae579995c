"""GPUStack's performance lab: results of one engine after another, with the commands that started the servers.

Two ways of measuring. Pages up to vLLM 0.13 ran ``vllm bench serve`` on the chat endpoint: all requests at once
(``--request-rate`` is inf) unless a case names a batch size, which is ``--max-concurrency``. Pages of 0.17 ran
guidellm with a constant rate (1,000 a second: all at once), and at most 512 requests in flight; its TTFT and TPOT
contradict its own mean latency (1.6 s + 281 x 15 ms against 24.1 s: tokens are counted in bursts), so only throughput
is taken. Prompt lengths are those before the chat template. vLLM 0.11.0 parses the template again for every request
(entrypoints/chat_utils.py::resolve_chat_template_kwargs; 0.11.1 keeps the result): that of GLM-4.6 takes 5 to 15 ms of
the one core that lets requests in, so a burst's first tokens, and throughput where answers are short, say how fast that
core is. gpt-oss has no template.

What the table has wrong by reading pages line by line: the case names ``--max-num-batched-tokens`` where it was tried;
a model of another size in one command (gpt-oss-20b's page); the FP8 sibling that sections after "Quantization" serve.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from performance_sources.common import Found, Run, Source, measured, read_command, sharegpt

if TYPE_CHECKING:
    from collections.abc import Iterable

PREFIX = "https://github.com/gpustack/"
PAGES = "/performance-lab/"
ALL_AT_ONCE = 1000  # requests a second
IN_FLIGHT = 512  # guidellm's limit
PARSING, TEMPLATE = "0.11.0", 0.01  # seconds a request
LATE, SLOW = 0.1, 0.3  # of the time to the first token, of the run
GUIDELLM = "0.17.1"  # from this release's pages on
THROUGHPUT = ("output_tok_s", "total_tok_s", "req_s")
STEADY = {"qwen3.5-9b/h100.md": {"Long Context Profile": 1.0, "Generation Heavy Profile": 1.0}}  # requests a second
BASELINE = "--reasoning-parser=qwen3 --max-model-len=32768"
GPUS = {
    "NVIDIA A100-SXM4-80GB": "a100-sxm-80gb",
    "NVIDIA H100-SXM5-80GB": "h100-sxm",
    "NVIDIA H200-SXM": "h200-sxm",
}
QUANTISED = {"qwen3.5-35b-a3b": "Qwen/Qwen3.5-35B-A3B-FP8"}


def read(rows: Iterable[Found]) -> Source:
    """Every vLLM result of its pages."""
    found = [row for row in rows if row["source_url"].startswith(PREFIX)]
    url = found[0]["source_url"].partition(PAGES)[0] + "/performance-lab"
    about = "All requests at once unless a concurrency or a rate is given; chat endpoint; ShareGPT or random prompts."
    return Source("gpustack", url, "Apache-2.0", about, [_run(row) for row in found])


def _run(row: Found) -> Run:
    page, section, case = _place(row)
    release = row["framework_version"]
    excluded = "" if row["gpu"] in GPUS else "the GPU is not in the catalogue"
    settings: dict[str, Any] = {}
    if not excluded:
        settings = read_command(row["other_flags"], release)[1]
        settings.setdefault("tensor-parallel-size", 1)
        tried = re.match(r"--max-num-batched-tokens (\d+)", case)
        if tried:
            settings["max-num-batched-tokens"] = int(tried[1])
        if "speculative-config" in settings:
            excluded = "how many draft tokens were accepted is not known"
        elif "VLLM_" in row["other_flags"]:
            excluded = "an environment variable chooses other kernels"
    model = model_of(page, section, row["other_flags"], row["model"])
    parsed = release == PARSING and "gpt-oss" not in model and "batch size" not in case
    if parsed and not excluded and float(row["req_s"] or 0) * TEMPLATE > SLOW:
        excluded = "requests were let in one by one: 0.11.0 parses the chat template for each"
    return Run(
        id=f"{page.removesuffix('.md').replace('/', '-')}-{_short(section)}-{_short(case)}",
        model=model,
        gpu=GPUS.get(row["gpu"], row["gpu"]),
        gpus=int(row["num_gpus"]),
        engine=release,
        settings=settings,
        load=_load(row, page, section, case),
        measured=_measured(row, parsed=parsed),
        assumed=("model",) if model != row["model"] else (),
        excluded=excluded,
        url=page,
    )


def _measured(row: Found, *, parsed: bool) -> dict[str, float]:
    found = measured(row)
    if parsed and int(row["num_prompts"]) / 2 * TEMPLATE > LATE * found.get("ttft_s", 0.0):
        return {name: value for name, value in found.items() if not name.startswith("ttft")}
    return measured(row, *THROUGHPUT) if row["framework_version"] == GUIDELLM else found


def _place(row: Found) -> tuple[str, str, str]:
    """The page, the section, and the benchmark case of a row."""
    parts = [part.strip() for part in row["notes"].split("|")]
    case = next(part.removeprefix("case=") for part in parts if part.startswith("case="))
    return row["source_url"].partition(PAGES)[2], parts[0], case


def model_of(page: str, section: str, flags: str, model: str) -> str:
    """What was served: the command's model, mended where the page says something else."""
    folder = page.partition("/")[0]
    if folder in QUANTISED:
        profile = section in {"vLLM", "ShareGPT"} or section.startswith("Rate ") or section.endswith(" Profile")
        return model if profile and flags == BASELINE else QUANTISED[folder]
    if folder == "gpt-oss-20b":
        return "openai/gpt-oss-20b"
    return model


def _short(text: str) -> str:
    return re.sub(r"[^a-z0-9.]+", "-", text.casefold()).strip("-")


def _load(row: Found, page: str, section: str, case: str) -> dict[str, Any]:
    load = _lengths(row, section, case)
    load["requests"] = int(row["num_prompts"])
    if row["framework_version"] != GUIDELLM:
        if "batch size" in case:
            load["concurrency"] = int(float(row["batch_or_concurrency"]))
        return load
    named = re.match(r"Rate (\d+)", section) or re.search(r"(\d+)RPS", case)
    rate = float(named[1]) if named else STEADY.get(page, {}).get(section)
    if rate:
        return {**load, "rate": rate, "spacing": "constant"}
    return {**load, "concurrency": min(IN_FLIGHT, load["requests"])}


def _lengths(row: Found, section: str, case: str) -> dict[str, Any]:
    random = case.startswith("random") or section in {
        "Throughput Profile", "Long Context Profile", "Generation Heavy Profile",
    }  # fmt: skip
    if not random:
        return sharegpt(row["input_len"], row["output_len"])
    return {"prompt": round(float(row["input_len"])), "output": round(float(row["output_len"])), "dataset": "random"}
