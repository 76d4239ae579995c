"""InferenceX (formerly InferenceMAX) as sampled in NVIDIA aiconfigurator's silicon_sample.csv.

The table says model, precision, GPUs and load; the servers' settings stand in the scripts that the benchmark ran on the
day of the measurement (SemiAnalysisAI/InferenceX, ``benchmarks/[single_node/]MODEL_PRECISION_GPU.sh``, read at the last
commit of that day) and the release in its ``configs/nvidia-master.yaml`` or workflows. Three things are easily misread:

* ``tp`` is the number of GPUs. The sample's ``attn_dp`` 2 or 4 with ``moe_ep`` 4 or 16 comes from multiplying a
  config's tp by its ep; the scripts start TP x 1 with ``--enable-expert-parallel``. Only configs with ``dp-attn: true``
  run as data parallel.
* Lengths are uniform between 0.8 and 1.0 of the nominal (``--random-range-ratio 0.8``), with ``--ignore-eos``.
* ten requests for each of the concurrency, after twice the concurrency as warm-up.
* Scripts export variables that choose kernels: gpt-oss ran Marlin's on Hopper from 2026 on and 8-bit activations on
  Blackwell, MiniMax FP8 ran Triton's on B200 before 0.19.0, and its 32-bit routers had tensor cores (TF32) only from
  2026-04-22 on, on B300 from 2026-04-21.
* Trials before a script was merged had other settings. Those of MiniMax NVFP4 on B200 are faster nowhere, and where
  prompts are short (two fit the merged script's largest graph) first tokens take twice as long: no such graphs yet.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from performance_sources.common import Found, Run, Source, measured, noted, number, uniform

if TYPE_CHECKING:
    from collections.abc import Iterable

PREFIX = "https://github.com/ai-dynamo/aiconfigurator/"
LEAST = 0.8  # of the nominal length
PROMPTS = 10  # requests for each of the concurrency
SPARE = 200  # utils/matrix_logic: max-model-len is prompt and output and 200
GPUS = {
    "NVIDIA B200-SXM": "b200",
    "NVIDIA B300-SXM": "b300",
    "NVIDIA GB200": "gb200",
    "NVIDIA H100-SXM5-80GB": "h100-sxm",
    "NVIDIA H200-SXM": "h200-sxm",
}
MODELS = {  # what the scripts serve; gpt-oss is MXFP4 as published, whatever the table calls it
    ("meta-llama/Llama-3.1-70B", "fp8"): "nvidia/Llama-3.3-70B-Instruct-FP8",
    ("meta-llama/Llama-3.1-70B", "fp4"): "nvidia/Llama-3.3-70B-Instruct-FP4",
    ("openai/gpt-oss-120b", "fp4"): "openai/gpt-oss-120b",
    ("MiniMaxAI/MiniMax-M2.5", "fp8"): "MiniMaxAI/MiniMax-M2.5",
    ("MiniMaxAI/MiniMax-M2.5", "fp4"): "nvidia/MiniMax-M2.5-NVFP4",
    ("moonshotai/Kimi-K2.5", "int4"): "moonshotai/Kimi-K2.5",
    ("moonshotai/Kimi-K2.5", "fp4"): "nvidia/Kimi-K2.5-NVFP4",
    ("Qwen/Qwen3-235B-A22B-FP8", "fp8"): "Qwen/Qwen3-235B-A22B-FP8",
    ("nvidia/Llama-3.1-8B-Instruct-FP8", "fp8"): "nvidia/Llama-3.1-8B-Instruct-FP8",
}
DATA_PARALLEL = {"707", "727"}  # configs with dp-attn: NVFP4 MiniMax on 2 GPUs; the FP8 script does not read it
LENGTH, TWICE, FIXED = "max-model-len", "twice the prompt", 10240
NO_CACHE = {"enable-prefix-caching": False}
BASIC = {"gpu-memory-utilization": 0.9}
FUSED = {"pass_config": {"enable_fi_allreduce_fusion": True}}
GRAPHS = {"cudagraph_mode": "FULL_DECODE_ONLY", "splitting_ops": [], **FUSED}
LATER_FUSED = {"compilation-config": {"pass_config": {"fuse_allreduce_rms": True}}}
LLAMA: dict[str, Any] = {
    **BASIC, **NO_CACHE, "kv-cache-dtype": "fp8", "async-scheduling": True, "max-num-batched-tokens": 8192,
}  # fmt: skip
GPT_OSS: dict[str, Any] = {**BASIC, **NO_CACHE, "max-num-batched-tokens": 8192}
FIRST_OSS = {**GPT_OSS, "async-scheduling": True, "cuda-graph-sizes": [2048]}
LATER_OSS = {**GPT_OSS, "max-cudagraph-capture-size": 2048}
B200_OSS: dict[str, Any] = {"max-num-seqs": 512, LENGTH: "close"}
KIMI: dict[str, Any] = {"max-num-seqs": "concurrency", LENGTH: LENGTH, **LATER_FUSED}
MINIMAX: dict[str, Any] = {
    **BASIC, **NO_CACHE, LENGTH: LENGTH, "kv-cache-dtype": "fp8", "max-cudagraph-capture-size": 2048,
    "max-num-batched-tokens": TWICE, "stream-interval": 20,
}  # fmt: skip
MINIMAX_TRIAL = {flag: value for flag, value in MINIMAX.items() if flag != "max-cudagraph-capture-size"}
FP8_B200: dict[str, Any] = {"gpu-memory-utilization": 0.95, LENGTH: LENGTH, "block-size": 32}
PIECEWISE = {"compilation-config": {"cudagraph_mode": "PIECEWISE"}}
VARIABLES = "environment"
MARLIN = {VARIABLES: {"VLLM_MXFP4_USE_MARLIN": "1"}}
EIGHT_BITS = {VARIABLES: {"VLLM_USE_FLASHINFER_MOE_MXFP4_MXFP8": "1"}}
TRITON = {VARIABLES: {"VLLM_USE_FLASHINFER_MOE_FP8": "0", "VLLM_MOE_USE_DEEP_GEMM": "0"}}
MULTINODE = {VARIABLES: {"VLLM_FLASHINFER_ALLREDUCE_BACKEND": "mnnvl"}}
ROUNDED = {VARIABLES: {"VLLM_FLOAT32_MATMUL_PRECISION": "high"}}
ALWAYS, ASKED, NEVER = "always", "asked", "never"  # when a script turns expert parallelism on
# (model, precision, GPU) -> from which day on, expert parallelism, settings.
RECIPES: dict[tuple[str, str, str], list[tuple[str, str, dict[str, Any]]]] = {
    ("Llama-3.1-70B", "fp8", "h100-sxm"): [
        ("2025-10", NEVER, {**LLAMA, "max-num-seqs": "concurrency", LENGTH: FIXED}),
    ],
    ("Llama-3.1-70B", "fp8", "h200-sxm"): [
        ("2025-10", NEVER, {**LLAMA, "max-num-seqs": "concurrency", LENGTH: "close"}),
    ],
    ("Llama-3.1-70B", "fp8", "b200"): [
        ("2025-10", NEVER, {**LLAMA, "max-num-seqs": 512, LENGTH: LENGTH, "compilation-config": GRAPHS}),
    ],
    ("Llama-3.1-70B", "fp4", "b200"): [
        ("2025-10", NEVER, {**LLAMA, "max-num-seqs": 512, LENGTH: "close", "compilation-config": GRAPHS}),
    ],
    ("gpt-oss-120b", "fp4", "h100-sxm"): [
        ("2025-11", NEVER, {**FIRST_OSS, "max-num-seqs": "concurrency", LENGTH: FIXED}),
        ("2025-12", NEVER, {**LATER_OSS, "async-scheduling": True, "max-num-seqs": "concurrency", LENGTH: FIXED}),
        ("2026", NEVER, {**LATER_OSS, **MARLIN, "max-num-seqs": "concurrency", LENGTH: FIXED}),
    ],
    ("gpt-oss-120b", "fp4", "h200-sxm"): [
        ("2025-11", NEVER, {**FIRST_OSS, "max-num-seqs": "concurrency", LENGTH: "close"}),
        ("2026", NEVER, {**LATER_OSS, **MARLIN, "max-num-seqs": "concurrency", LENGTH: "close"}),
    ],
    ("gpt-oss-120b", "fp4", "b200"): [
        ("2025-11", NEVER, {**FIRST_OSS, **EIGHT_BITS, **B200_OSS, "compilation-config": FUSED}),
        ("2026", NEVER, {**LATER_OSS, **LATER_FUSED, **EIGHT_BITS, **B200_OSS, "kv-cache-dtype": "fp8"}),
    ],
    ("Kimi-K2.5", "int4", "h200-sxm"): [
        ("2026-03-01", NEVER, {**KIMI, "gpu-memory-utilization": 0.95}),
        ("2026-03-27", NEVER, {**KIMI, **NO_CACHE, "gpu-memory-utilization": 0.95}),
    ],
    ("Kimi-K2.5", "int4", "b200"): [("2026-03", NEVER, {**KIMI, **NO_CACHE, "gpu-memory-utilization": 0.95})],
    ("Kimi-K2.5", "fp4", "b200"): [
        ("2026-03-01", NEVER, {**KIMI, **BASIC}),
        ("2026-03-27", NEVER, {**KIMI, **BASIC, **NO_CACHE}),
        ("2026-04", NEVER, {**KIMI, **MINIMAX}),
    ],
    ("Kimi-K2.5", "fp4", "b300"): [("2026-04", NEVER, {**KIMI, **BASIC, **NO_CACHE})],
    ("MiniMax-M2.5", "fp8", "h100-sxm"): [
        ("2026-03", ASKED, {**BASIC, **NO_CACHE, **PIECEWISE, LENGTH: LENGTH, "max-num-seqs": 256}),
    ],
    ("MiniMax-M2.5", "fp8", "h200-sxm"): [
        ("2026-03-01", NEVER, {"gpu-memory-utilization": 0.95, LENGTH: LENGTH}),
        ("2026-03-27", ALWAYS, {"gpu-memory-utilization": 0.95, LENGTH: LENGTH, **NO_CACHE}),
    ],
    ("MiniMax-M2.5", "fp8", "b200"): [
        ("2026-03-01", ALWAYS, {**FP8_B200, **TRITON}),
        ("2026-03-27", ALWAYS, {**FP8_B200, **TRITON, **NO_CACHE}),
        ("2026-04", ASKED, {**MINIMAX, **MULTINODE, "block-size": 32}),
        ("2026-04-22", ASKED, {**MINIMAX, **ROUNDED, "block-size": 32}),
    ],
    ("MiniMax-M2.5", "fp8", "b300"): [
        ("2026-04", ASKED, {**MINIMAX, **MULTINODE, "block-size": 32}),
        ("2026-04-21", ASKED, {**MINIMAX, **ROUNDED, "block-size": 32}),
    ],
    ("MiniMax-M2.5", "fp4", "b200"): [
        ("2026-04", ASKED, MINIMAX_TRIAL),
        ("2026-04-08", ASKED, MINIMAX),
        ("2026-04-22", ASKED, {**MINIMAX, **ROUNDED}),
    ],
    ("MiniMax-M2.5", "fp4", "b300"): [
        ("2026-04", ASKED, MINIMAX),
        ("2026-04-21", ASKED, {**MINIMAX, **ROUNDED}),
    ],
}
# Releases that the sample leaves out, from the benchmark's workflows of that day.
RELEASES = {"2025-10-29": "0.10.2", "2025-11-02": "0.10.2", "2025-12-05": "0.11.2"}
NIGHTLY = "0.19.0"  # nightly 5b8c30d, tried on the day that 0.19.0 came out
UNDATED = {"0.15.1": "2026-03-24", "0.16.0": "2026-03-27", "0.17.0": "2026-03-27"}  # Kimi: repeats of those days' runs


def read(rows: Iterable[Found]) -> Source:
    """Every row of the sample that ran vLLM."""
    found = [row for row in rows if row["source_url"].startswith(PREFIX)]
    url = found[0]["source_url"].partition("#")[0] + "#{id}"
    about = "Closed loop, random prompts. Settings: the benchmark's scripts of the day (SemiAnalysisAI/InferenceX)."
    return Source("inferencex", url, "Apache-2.0", about, [_run(row) for row in found], "unknown")


def _run(row: Found) -> Run:
    name, precision, gpu = row["model"].partition("/")[2], row["quantization"], GPUS[row["gpu"]]
    date = noted(row, "measured")[:10] or UNDATED.get(row["framework_version"], "")
    recipe = _recipe(name, precision, gpu, date)
    excluded = _excluded(row, known=recipe is not None)
    release, assumed = _release(row, date)
    variables: dict[str, str] = {}
    if recipe is None:
        settings = {} if excluded else _plain(row)
        assumed = (*assumed, "settings")
    else:
        settings = {**_parallel(row, recipe[0]), **_filled(recipe[1], row)}
        variables = settings.pop(VARIABLES, {})
        if "wip=True" in row["notes"]:
            assumed = (*assumed, "settings")  # a trial before the script was merged
    return Run(
        id=row["source_url"].partition("#")[2],
        model=MODELS[row["model"], precision],
        gpu=gpu,
        gpus=0 if "disagg" in row["other_flags"] else int(row["tp"]),
        engine=release,
        settings=settings,
        environment=variables,
        load=_load(row, uniform_lengths=recipe is not None),
        measured=measured(row),
        assumed=assumed,
        excluded=excluded,
    )


def _recipe(name: str, precision: str, gpu: str, date: str) -> tuple[str, dict[str, Any]] | None:
    """When experts are split, and the settings, on that day."""
    days = [entry for entry in RECIPES.get((name, precision, gpu), []) if entry[0] <= date]
    return days[-1][1:] if days else None


def _release(row: Found, date: str) -> tuple[str, tuple[str, ...]]:
    version = row["framework_version"]
    if version.startswith("nightly"):
        return NIGHTLY, ("engine",)
    return (version, ()) if version else (RELEASES[date], ("engine",))


def _parallel(row: Found, experts: str) -> dict[str, Any]:
    gpus, asked = int(row["tp"]), int(noted(row, "moe_ep") or 1) > 1
    if noted(row, "config_id") in DATA_PARALLEL:
        return {"data-parallel-size": gpus, "enable-expert-parallel": True}
    split = experts == ALWAYS or (experts == ASKED and asked)
    return {"tensor-parallel-size": gpus, **({"enable-expert-parallel": True} if split else {})}


def _plain(row: Found) -> dict[str, Any]:
    """A run whose script is not public: what the sample says."""
    split = int(noted(row, "moe_ep") or 1) > 1
    return {"tensor-parallel-size": int(row["tp"]), **({"enable-expert-parallel": True} if split else {})}


def _filled(settings: dict[str, Any], row: Found) -> dict[str, Any]:
    """A script's settings for one load."""
    prompt, output, concurrency = (int(row[key]) for key in ("input_len", "output_len", "batch_or_concurrency"))
    short = prompt == output == 1024  # noqa: PLR2004 - the scripts' own
    values = {
        "concurrency": concurrency,
        LENGTH: prompt + output + SPARE,
        "close": prompt + output + (20 if short else SPARE),
        TWICE: prompt * 2,
    }
    return {flag: values.get(value, value) if isinstance(value, str) else value for flag, value in settings.items()}


def _load(row: Found, *, uniform_lengths: bool) -> dict[str, Any]:
    load: dict[str, Any] = {}
    for key, column in (("prompt", "input_len"), ("output", "output_len")):
        length = number(row[column])
        if length:
            load[key] = uniform(length, LEAST) if uniform_lengths else length
    concurrency = number(row["batch_or_concurrency"])
    if concurrency:
        load["concurrency"] = concurrency
        if uniform_lengths:
            load["requests"] = PROMPTS * concurrency
    return load


def _excluded(row: Found, *, known: bool) -> str:
    if "mode=disagg" in row["other_flags"]:
        return "prefill and decode run on separate servers"
    experts = int(noted(row, "moe_tp") or 1) * int(noted(row, "moe_ep") or 1)
    if not known and "A22B" in row["model"] and experts != int(row["tp"]):
        return f"the source splits attention over {row['tp']} GPUs and experts over {experts}"
    return ""
