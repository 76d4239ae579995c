"""The lines of a start-up log that say something about memory, as each release of vLLM prints them.

A rule is a word that a line must hold, and a pattern whose groups name what they catch: figures in GiB (``FIGURES``)
or bytes (``WHOLE_FIGURES``) of the worker that prints the line, and facts about the whole engine. Up to 0.8.2 some
lines say GB and mean GiB.
"""

from __future__ import annotations

import re

NUMBER = r"-?\d{1,9}(?:\.\d{1,12})?"
COUNT = r"\d{1,3}(?:,\d{3}){1,5}|\d{1,18}"
RELEASE = r"\d{1,3}\.\d[\w.+-]{0,60}"

FIGURES = {  # group of a pattern: field of a worker's figures
    name: name
    for name in (
        "total", "free", "weights", "activations", "peak", "non_torch", "consumed", "kv_cache", "graphs_estimated",
        "graphs_taken", "torch_peak", "beside_cache",
    )
}  # fmt: skip
WHOLE_FIGURES = {"kv_cache_bytes": "kv_cache"}


def _rule(hint: str, pattern: str) -> tuple[str, re.Pattern[str]]:
    """``<name>`` stands for a number, ``{name}`` for a count with or without commas."""
    text = re.sub(r"(?<!\?P)<(\w+)>", lambda found: f"(?P<{found[1]}>{NUMBER})", pattern)
    return hint, re.compile(re.sub(r"\{([a-z_]+)\}", lambda found: f"(?P<{found[1]}>{COUNT})", text))


RULES = (
    # entrypoints/openai/api_server.py; from 0.15 on entrypoints/common/startup.py (earlier utils), as a logo too
    _rule("API server version", rf"API server version (?P<release>{RELEASE})"),
    _rule("server version", rf"server version (?P<release>{RELEASE}), serving model (?P<server_model>\S{{1,300}})"),
    _rule("version", rf"[█▄▀]\s+version (?P<release>{RELEASE})"),
    _rule("model", r"[█▄▀]\s+model   (?P<server_model>\S{1,300})"),
    # engine/llm_engine.py, v1/engine/core.py: "an LLM engine" up to 0.7.0, "a V0"/"a V1 LLM engine" from 0.7.1 on
    _rule(
        "LLM engine (v",
        rf"nitializing an? (?:(?P<engine>V[01]) )?LLM engine \(v(?P<release>{RELEASE})\) with config: "
        r"(?P<config>.{1,200000})",
    ),
    # up to 0.8.5 "args: Namespace(...)", then "non-default args: {...}"
    _rule("args: ", r"\b(?:non-default )?args: (?P<arguments>(?:Namespace\(|\{).{0,200000})"),
    _rule("Using V2 Model Runner", r"(?P<v2>Using V2 Model Runner)"),  # v1/worker/gpu_worker.py, from 0.16 on
    _rule("max_num_batched_tokens=", r"Chunked prefill is enabled with max_num_batched_tokens={batched}"),
    # worker/model_runner.py up to 0.7.3 and of V0; v1/worker/gpu_model_runner.py, v1/worker/gpu/model_runner.py
    _rule("Loading model weights took", r"Loading model weights took <weights> Gi?B"),
    _rule("Model loading took", r"Model loading took <weights> Gi?B(?: memory)? and"),
    # worker/worker.py, 0.6.4
    _rule(
        "Memory profiling results",
        r"total_gpu_memory=<total>GiB initial_memory_usage=\S{1,30} peak_torch_memory=<torch_peak>GiB "
        r"memory_usage_post_profile=\S{1,30} non_torch_memory=<non_torch>GiB kv_cache_size=<kv_cache>GiB "
        r"gpu_memory_utilization=<utilization>",
    ),
    # worker/worker.py, V0 from 0.6.5 to 0.10.2: three lines of one message
    _rule("total_gpu_memory (", r"total_gpu_memory \(<total>GiB\)\s{1,3}x gpu_memory_utilization \(<utilization>\)"),
    _rule(
        "model weights take",
        r"model weights take <weights>GiB; non_torch_memory takes <non_torch>GiB; PyTorch activation peak memory takes "
        r"<activations>GiB; the rest of the memory reserved for KV Cache is <kv_cache>GiB",
    ),
    # utils/mem_utils.py::MemoryProfilingResult, a debug line; "total consumed" from 0.27 on
    _rule("Total non KV cache memory", r"Total non KV cache memory: <beside_cache>GiB"),
    _rule(
        "non-torch forward increase",
        r"torch peak memory increase: <activations>GiB; non-torch forward increase memory: <non_torch>GiB",
    ),
    _rule("total consumed", r"total consumed \(from mem_get_info\): <consumed>GiB"),
    _rule("weights memory: ", r"weights memory: <weights>GiB"),
    # v1/worker/gpu_worker.py::init_device, a debug line
    _rule("worker init memory snapshot", r"free_memory=<free>GiB, total_memory=<total>GiB"),
    # v1/worker/gpu_worker.py::determine_available_memory, the first two are debug lines
    _rule("requested GPU memory", r"Initial free memory: <free> GiB, free memory: "),
    _rule("Requested memory", r"Initial free memory: <free> GiB; Requested memory: <utilization> \(util\)"),
    _rule("Available KV cache memory", r"Available KV cache memory: <kv_cache> GiB"),
    _rule("KV cache memory reduced", r"KV cache memory reduced to <kv_cache> GiB"),
    _rule("specified by kv_cache_memory_bytes", r"nitial free memory <free> GiB, (?P<given>reserved)"),
    _rule("persisted startup plan", r"(?P<given>Applying persisted startup plan)"),
    _rule("CUDA graph memory profiling", r"graph memory profiling is (?P<enabled>enabled) "),
    _rule("is equivalent to", r"utilization=<with_graphs> is equivalent to --gpu-memory-utilization=<without_graphs>"),
    _rule("CUDA graph memory profiling is disabled", r"graph memory profiling is (?P<disabled>disabled) "),
    _rule("--gpu-memory-utilization from", r"--gpu-memory-utilization from <without_graphs> to <with_graphs>"),
    # v1/worker/gpu_worker.py::compile_or_warm_up_model, 0.10.2 to 0.26 and from 0.27 on
    _rule(
        "on startup. Desired",
        r"Free memory on device \S{0,20} ?\(<free>/<total> GiB\) on startup\. "
        r"Desired GPU memory utilization is \(<utilization>, ",
    ),
    _rule(
        "GiB for weight, ",
        r"Actual usage is <weights> GiB for weight, <peak> GiB for peak activation, <non_torch> GiB for non-torch "
        r"memory, and <graphs_taken> GiB for CUDAGraph memory",
    ),
    _rule(
        "for consumed memory",
        r"Actual usage is <consumed> GiB for consumed memory \(weights \+ non-torch\), <peak> GiB for peak activation, "
        r"and <graphs_taken> GiB for CUDAGraph memory",
    ),
    _rule("Current kv cache memory", r"Current kv cache memory in use is <kv_cache> GiB"),
    _rule("Current kv cache memory", r"Current kv cache memory in use is {kv_cache_bytes} bytes"),
    # v1/worker/gpu_model_runner.py, and what was really captured
    _rule("Estimated CUDA graph memory", r"Estimated CUDA graph memory: <graphs_estimated> GiB total"),
    _rule(
        "CUDA graph pool memory",
        r"CUDA graph pool memory: <graphs_taken> GiB \(actual\), <graphs_estimated> GiB \(estimated\)",
    ),
    _rule("raph capturing finished", r"\bGraph capturing finished in \S{1,20} secs, took <graphs_taken> GiB"),
    # executor/gpu_executor.py up to 0.6.6, executor/executor_base.py ("# cuda blocks"), v1/core/kv_cache_utils.py
    _rule(" blocks: ", r"# (?:GPU|cuda|CUDA) blocks: {blocks}"),
    _rule("KV cache size: ", r"(?:GPU|host) KV cache size: {tokens} tokens"),
    _rule("aximum concurrency for", r"aximum concurrency for {length} tokens per request: <concurrency>x"),
    # v1/worker/utils.py::request_memory: the refusal says what was free
    _rule(
        "on startup is less than",
        r"Free memory on device \S{0,20} ?\(<free>/<total> GiB\) on startup is less than [^(]{1,120}\(<utilization>, ",
    ),
    _rule("KV cache is needed", r"available KV cache memory \(<kv_cache> Gi?B\)"),
)  # fmt: skip

# What the errors about memory say, and a name for each.
FAILURES = (
    ("on startup is less than", "free_memory"),
    ("No available memory for the cache blocks", "kv_cache"),
    ("To serve at least one request with the model", "kv_cache"),
    ("is larger than the maximum number of tokens that can be stored in KV cache", "kv_cache"),
    ("exceeds available Mamba cache blocks", "kv_cache"),
    ("Cannot auto-fit max_model_len", "kv_cache"),
    ("out of memory occurred when warming up sampler", "sampler"),
    ("out of memory occurred when warming up pooler", "sampler"),
    ("Failed to load model - not enough GPU memory", "weights"),
    ("Error in memory profiling", "profiling"),
    ("CUDA out of memory. ", "out_of_memory"),
)
