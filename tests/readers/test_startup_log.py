"""Start-up logs in the forms of vLLM 0.6.0 to 0.33.0, wrapped in what people's systems wrap them in."""

from __future__ import annotations

import gzip
import io
import json
import time
import tracemalloc
from typing import TYPE_CHECKING, Any

import pytest

from llmtune.readers import ReadError
from llmtune.readers.log_values import read_values
from llmtune.readers.startup_log import read_startup_log, read_stream

if TYPE_CHECKING:
    from pathlib import Path

    from llmtune.spec.calibration import StartupLog

GIB = 2**30
V0_CONFIG = (
    "model='facebook/opt-125m', speculative_config=None, tokenizer='facebook/opt-125m', skip_tokenizer_init=False, "
    "tokenizer_mode=auto, revision=None, override_neuron_config=None, rope_scaling=None, rope_theta=None, "
    "tokenizer_revision=None, trust_remote_code=False, dtype=torch.float16, max_seq_len=2048, download_dir=None, "
    "load_format=LoadFormat.AUTO, tensor_parallel_size=1, pipeline_parallel_size=1, disable_custom_all_reduce=False, "
    "quantization=None, enforce_eager=False, kv_cache_dtype=auto, quantization_param_path=None, device_config=cuda, "
    "decoding_config=DecodingConfig(guided_decoding_backend='outlines'), "
    "observability_config=ObservabilityConfig(otlp_traces_endpoint=None, collect_model_forward_time=False), seed=0, "
    "served_model_name=facebook/opt-125m, use_v2_block_manager=False, enable_prefix_caching=False)"
)
V1_CONFIG = (
    "model='Qwen/Qwen3-8B', speculative_config=None, tokenizer='Qwen/Qwen3-8B', dtype=torch.bfloat16, "
    "max_seq_len=8192, load_format=auto, tensor_parallel_size={tp}, pipeline_parallel_size=1, data_parallel_size={dp}, "
    "quantization=None, enforce_eager=False, kv_cache_dtype=auto, device_config=cuda, "
    "compilation_config={{'mode': <CompilationMode.VLLM_COMPILE: 3>, 'splitting_ops': ['vllm::unified_attention']}}"
)
PROFILE = (
    "{p}Memory profiling takes 6.21 seconds\n"
    "{p}the current vLLM instance can use total_gpu_memory (79.11GiB) x gpu_memory_utilization (0.90) = 71.20GiB\n"
    "{p}model weights take 14.99GiB; non_torch_memory takes 0.15GiB; PyTorch activation peak memory takes 1.23GiB; "
    "the rest of the memory reserved for KV Cache is 54.83GiB.\n"
)
USAGE = (
    "Free memory on device (78.68/79.19 GiB) on startup. Desired GPU memory utilization is (0.95, 75.23 GiB). Actual "
    "usage is 15.27 GiB for weight, 2.2 GiB for peak activation, 0.25 GiB for non-torch memory, and 0.96 GiB for "
    "CUDAGraph memory. Replace gpu_memory_utilization config with `--kv-cache-memory=60501254144` (56.35 GiB) to fit "
    "into requested memory, or `--kv-cache-memory=64200000000` (59.79 GiB) to fully utilize gpu memory. Current kv "
    "cache memory in use is 57.5 GiB."
)
CONSUMED = (
    "Free memory on device cuda:0 (78.41/79.19 GiB) on startup. Desired GPU memory utilization is (0.92, 72.85 GiB). "
    "Actual usage is 16.42 GiB for consumed memory (weights + non-torch), 2.05 GiB for peak activation, and 0.71 GiB "
    "for CUDAGraph memory. Replace gpu_memory_utilization config with `--kv-cache-memory=57000000000` (53.09 GiB) to "
    "fit into requested memory, or `--kv-cache-memory=63000000000` (58.67 GiB) to fully utilize gpu memory. Current kv "
    "cache memory in use is 54.38 GiB."
)
ENABLED = (
    "CUDA graph memory profiling is enabled (default since v0.21.0). The current --gpu-memory-utilization=0.9200 is "
    "equivalent to --gpu-memory-utilization=0.9121 without CUDA graph memory profiling. To maintain the same effective "
    "KV cache size as before, increase --gpu-memory-utilization to 0.9279. To disable, set "
    "VLLM_MEMORY_PROFILER_ESTIMATE_CUDAGRAPHS=0."
)
DISABLED = (
    "CUDA graph memory profiling is disabled (VLLM_MEMORY_PROFILER_ESTIMATE_CUDAGRAPHS=0). Without it, CUDA graph "
    "memory is not accounted for during KV cache allocation, which may require lowering --gpu-memory-utilization to "
    "avoid OOM. Consider re-enabling it (the default as of v0.21.0) and increasing --gpu-memory-utilization from "
    "0.9200 to 0.9279."
)
CORE = "(EngineCore_DP0 pid=71) INFO 03-12 10:11:20 [core.py:93] "
WORK = "(EngineCore_DP0 pid=71) INFO 03-12 10:11:40 [gpu_worker.py:298] "


def v1(release: str, *messages: str, tp: int = 1, dp: int = 1) -> str:
    lines = [
        f"(APIServer pid=9) INFO 03-12 10:11:02 [api_server.py:1289] vLLM API server version {release}",
        "(APIServer pid=9) INFO 03-12 10:11:02 [utils.py:233] non-default args: {'model_tag': 'Qwen/Qwen3-8B', "
        "'model': 'Qwen/Qwen3-8B', 'max_model_len': 8192}",
        f"{CORE}Initializing a V1 LLM engine (v{release}) with config: {V1_CONFIG.format(tp=tp, dp=dp)}",
        *(f"{WORK}{message}" for message in messages),
    ]
    return "\n".join(lines) + "\n"


def v0(release: str, *lines: str) -> str:
    return (
        f"INFO 03-12 10:11:02 api_server.py:440] vLLM API server version {release}\n"
        "INFO 03-12 10:11:02 api_server.py:441] args: Namespace(host=None, port=8000, model='facebook/opt-125m', "
        "dispatch_function=<function serve at 0x7f10>, max_model_len=2048, tensor_parallel_size=1, lora_modules=None)\n"
        f"INFO 03-12 10:11:08 llm_engine.py:213] Initializing an LLM engine (v{release}) with config: {V0_CONFIG}\n"
        + "\n".join(lines)
        + "\n"
    )


def workers(*sizes: float, name: str = "Worker_TP{0} pid={1}") -> list[str]:
    return [
        f"({name.format(rank, 300 + rank)}) INFO 03-12 10:11:40 [worker.py:298] Available KV cache memory: {size} GiB"
        for rank, size in enumerate(sizes)
    ]


SIZES = {
    *("total", "free", "weights", "activations", "peak", "non_torch", "consumed", "kv_cache", "least"),
    *("graphs_estimated", "graphs_taken"),
}
V1_TOKENS = "GPU KV cache size: 418,720 tokens"
V1_LENGTH = "Maximum concurrency for 8,192 tokens per request: 51.11x"
ONE_LINE = "GPU KV cache size: 395,904 tokens, Maximum concurrency for 8,192 tokens per request: 48.33x"
SHAPES: dict[str, tuple[str, dict[str, Any]]] = {
    "0.6.0 V0: blocks alone": (
        v0(
            "0.6.0",
            "INFO 03-12 10:12:02 model_runner.py:926] Loading model weights took 0.2389 GB",
            "INFO 03-12 10:12:03 gpu_executor.py:122] # GPU blocks: 127306, # CPU blocks: 7281",
            "INFO 03-12 10:12:20 model_runner.py:1335] Graph capturing finished in 12 secs.",
        ),
        {"release": "0.6.0", "blocks": 127306, "weights": 0.2389, "model": "facebook/opt-125m", "kv_cache": None},
    ),
    "0.6.4 V0: one line of results": (
        v0(
            "0.6.4",
            "INFO 03-12 10:12:02 model_runner.py:926] Loading model weights took 14.9888 GB",
            "INFO 03-12 10:12:03 worker.py:232] Memory profiling results: total_gpu_memory=44.52GiB "
            "initial_memory_usage=15.35GiB peak_torch_memory=16.22GiB memory_usage_post_profile=15.46Gib "
            "non_torch_memory=0.46GiB kv_cache_size=23.39GiB gpu_memory_utilization=0.90",
            "INFO 03-12 10:12:03 gpu_executor.py:113] # GPU blocks: 11975, # CPU blocks: 2048",
        ),
        {"total": 44.52, "activations": 1.2312, "non_torch": 0.46, "kv_cache": 23.39, "utilization": 0.9},
    ),
    "0.6.6 V0: the split, prefixes on every line": (
        v0("0.6.6", *PROFILE.format(p="INFO 03-12 10:12:03 worker.py:241] ").splitlines()),
        {"total": 79.11, "weights": 14.99, "non_torch": 0.15, "activations": 1.23, "kv_cache": 54.83},
    ),
    "0.7.3 V0: blocks of any device": (
        v0("0.7.3", "INFO 03-12 10:12:03 executor_base.py:111] # cuda blocks: 27306, # CPU blocks: 2048",
           "INFO 03-12 10:12:03 executor_base.py:116] Maximum concurrency for 2048 tokens per request: 213.33x",
           "INFO 03-12 10:12:20 model_runner.py:1562] Graph capturing finished in 12 secs, took 0.31 GiB"),
        {"blocks": 27306, "length": 2048, "concurrency": 213.33, "graphs_taken": 0.31},
    ),
    "0.8.5 V0 engine, workers with a process prefix": (
        v0("0.8.5.post1").replace("an LLM engine", "a V0 LLM engine")
        + PROFILE.format(p="(VllmWorkerProcess pid=210) INFO 03-12 10:12:03 [worker.py:287] ")
        + PROFILE.replace("54.83", "54.71").format(p="INFO 03-12 10:12:03 [worker.py:287] "),
        {"release": "0.8.5.post1", "runner": "v0", "kv_cache": 54.83, "count": 2},
    ),
    "0.8.2 V1 says GB": (
        v1("0.8.2", "Model loading took 15.2683 GB and 4.212345 seconds", V1_TOKENS, V1_LENGTH),
        {"weights": 15.2683, "tokens": 418720, "runner": "v1", "kv_cache": None},
    ),
    "0.8.5 V1: tokens alone": (
        v1("0.8.5", "Model loading took 15.2683 GiB and 4.212345 seconds", V1_TOKENS, V1_LENGTH),
        {"weights": 15.2683, "tokens": 418720, "concurrency": 51.11, "length": 8192},
    ),
    "0.9.2 V1, debug": (
        v1(
            "0.9.2",
            "Initial free memory: 78.68 GiB, free memory: 60.10 GiB, requested GPU memory: 75.23 GiB",
            "Memory profiling takes 6.21 seconds. Total non KV cache memory: 17.72GiB; torch peak memory increase: "
            "2.20GiB; non-torch forward increase memory: 0.25GiB; weights memory: 15.27GiB.",
            "Available KV cache memory: 57.51 GiB",
        ),
        {"free": 78.68, "activations": 2.2, "non_torch": 0.25, "weights": 15.27, "kv_cache": 57.51},
    ),
    "0.10.2 V1: cache in bytes": (
        v1("0.10.2", USAGE.replace("57.5 GiB.", "61740154880 bytes.")),
        {"kv_cache": 61740154880 / GIB, "weights": 15.27, "activations": 2.2, "graphs_taken": 0.96},
    ),
    "0.11.2 V1": (v1("0.11.2", USAGE), {"free": 78.68, "total": 79.19, "non_torch": 0.25, "kv_cache": 57.5}),
    "0.14.0 V1: digits as they come": (
        v1("0.14.0", "Model loading took 15.3 GiB memory and 8.1 seconds", "Available KV cache memory: 57.5 GiB"),
        {"weights": 15.3, "kv_cache": 57.5},
    ),
    "0.15.0: version with the model": (
        v1("0.15.0", "Available KV cache memory: 57.5 GiB").replace(
            "vLLM API server version 0.15.0", "vLLM server version 0.15.0, serving model Qwen/Qwen3-8B"
        ),
        {"release": "0.15.0", "kv_cache": 57.5},
    ),
    "0.18.1: graphs estimated and not charged": (
        v1("0.18.1", "Estimated CUDA graph memory: 0.84 GiB total", USAGE,
           "CUDA graph pool memory: 0.96 GiB (actual), 0.84 GiB (estimated), difference: 0.12 GiB (12.5%)."),
        {"graphs_estimated": 0.84, "graphs_taken": 0.96, "activations": 2.2},
    ),
    "0.18.1: graphs charged, so the peak holds them": (
        v1("0.18.1", ENABLED.replace("default since v0.21.0", "VLLM_MEMORY_PROFILER_ESTIMATE_CUDAGRAPHS=1"),
           "Estimated CUDA graph memory: 0.84 GiB total", USAGE),
        {"graphs_charged": True, "activations": 1.36, "graphs_estimated": 0.84},
    ),
    "0.19.0: its logo": (
        "INFO 03-12 10:11:02 [utils.py:299] \r\n"
        "INFO 03-12 10:11:02 [utils.py:299]        █     █     █▄   ▄█\r\n"
        "INFO 03-12 10:11:02 [utils.py:299]  ▄▄ ▄█ █     █     █ ▀▄▀ █  version 0.19.0\r\n"
        "INFO 03-12 10:11:02 [utils.py:299]   █▄█▀ █     █     █     █  model   Qwen/Qwen3-8B\r\n"
        f"{WORK}Available KV cache memory: 57.5 GiB\r\n",
        {"release": "0.19.0", "model": "Qwen/Qwen3-8B", "kv_cache": 57.5},
    ),
    "0.20.2: the estimate from two shares": (
        v1("0.20.2", ENABLED, USAGE),
        {"graphs_charged": True, "graphs_estimated": 0.0079 * 79.19, "activations": 2.2 - 0.0079 * 79.19},
    ),
    "0.26.0: memory for pictures taken off": (
        v1("0.26.0", "Available KV cache memory: 57.5 GiB",
           "Reserving 2.0 GiB of GPU memory for frontend multimodal decoding (1.5 GiB raw-frame semaphore budget, 0.5 "
           "GiB decoder+CUDA-context across 1 API server(s) @ 0.5 GiB/server); KV cache memory reduced to 55.5 GiB."),
        {"kv_cache": 55.5},
    ),
    "0.27.1: consumed memory, peak with graphs": (
        v1("0.27.1", "Using V2 Model Runner", "Model loading took 15.27 GiB and 8.123456 seconds", ENABLED, CONSUMED,
           "CUDA graph pool memory: 0.71 GiB (actual), 0.63 GiB (estimated), difference: 0.08 GiB (11.3%)."),
        {"consumed": 16.42, "activations": 1.42, "graphs_estimated": 0.63, "weights": 15.27, "runner": "v2",
         "non_torch": None, "kv_cache": 54.38},
    ),
    "0.27.1: no estimate printed": (
        v1("0.27.1", CONSUMED),
        {"consumed": 16.42, "peak": 2.05, "activations": None, "graphs_estimated": None},
    ),
    "0.28.0: graphs not charged": (
        v1("0.28.0", DISABLED, CONSUMED, ONE_LINE),
        {"graphs_charged": False, "activations": 2.05, "tokens": 395904, "concurrency": 48.33},
    ),
    "0.33.0, debug: what is not consumed is the peak": (
        v1(
            "0.33.0",
            "Initial free memory: 78.41 GiB; Requested memory: 0.920000 (util), 72.85 GiB",
            "Memory profiling takes 5.10 seconds. Total non KV cache memory: 17.84GiB; torch peak memory increase: "
            "2.11GiB; total consumed (from mem_get_info): 16.42GiB; weights memory: 15.27GiB.",
            "Available KV cache memory: 54.38 GiB", ONE_LINE,
        ),
        {"activations": 1.42, "consumed": 16.42, "weights": 15.27, "utilization": 0.92, "free": 78.41},
    ),
    "0.33.0: the process stands behind the prefix": (
        v1("0.33.0", "Available KV cache memory: 54.38 GiB", ONE_LINE).replace(" INFO 03-12", " INFO 11-30"),
        {"kv_cache": 54.38, "measured": "11-30", "tokens": 395904},
    ),
    "0.33.0: another device's name": (
        v1("0.33.0", "GPU + host KV cache size: 9,904 tokens, Maximum concurrency for 8,192 tokens per request: 1.21x"),
        {"tokens": 9904, "concurrency": 1.21},
    ),
    "TP 2: the worker with the least decides": (
        v1("0.11.2", tp=2) + "\n".join(workers(8.11, 8.02)) + "\n" + f"{CORE}{V1_TOKENS}\n",
        {"kv_cache": 8.11, "count": 2, "least": 8.02, "names": ["Worker_TP0", "Worker_TP1"]},
    ),
    "0.8 TP 2: a rank in the prefix, tokens of every worker": (
        v1("0.8.5", tp=2)
        + "(VllmWorker rank=0 pid=41) INFO 03-12 [gpu_runner.py:1347] Model loading took 7.6 GiB and 4.2 seconds\n"
        + "(VllmWorker rank=1 pid=42) INFO 03-12 [gpu_runner.py:1347] Model loading took 7.7 GiB and 4.2 seconds\n"
        + f"{CORE}GPU KV cache size: 418,720 tokens\n{CORE}GPU KV cache size: 418,704 tokens\n",
        {"count": 2, "tokens": 418704, "weights": 7.6, "names": ["VllmWorker 0", "VllmWorker 1"]},
    ),
    "Ray: addresses stay out of names": (
        v1("0.11.2", tp=2)
        + "\n".join(workers(8.11, 8.02, name="RayWorkerWrapper pid={1}, ip=10.20.30.40")),
        {"count": 2, "names": ["RayWorkerWrapper #0", "RayWorkerWrapper #1"]},
    ),
    "DP 2: each engine prints its own, the least counts": (
        v1("0.11.2", "Available KV cache memory: 57.5 GiB", V1_TOKENS, dp=2)
        + f"{CORE}".replace("DP0 pid=71", "DP1 pid=72") + "Available KV cache memory: 57.4 GiB\n"
        + f"{CORE}".replace("DP0 pid=71", "DP1 pid=72") + "GPU KV cache size: 417,984 tokens\n",
        {"count": 2, "tokens": 417984, "starts": 1},
    ),
    "docker compose": (
        "".join(f"vllm-1  | {line}\n" for line in v1("0.19.0", USAGE).splitlines()),
        {"kv_cache": 57.5, "model": "Qwen/Qwen3-8B"},
    ),
    "Kubernetes with pod, stream and time": (
        "".join(
            f"[pod/llm-7c9/vllm] 2026-03-12T10:11:12.123456789Z stdout F {line}\n"
            for line in v1("0.19.0", USAGE).splitlines()
        ),
        {"kv_cache": 57.5, "measured": "2026-03-12", "names": ["EngineCore_DP0"]},
    ),
    "Docker's JSON file": (
        "".join(
            json.dumps({"log": f"{line}\n", "stream": "stderr", "time": "2026-03-12T10:11:12.1Z"}) + "\n"
            for line in v1("0.19.0", USAGE).splitlines()
        ),
        {"kv_cache": 57.5, "measured": "03-12", "names": ["EngineCore_DP0"]},
    ),
    "vLLM's own JSON lines": (
        "".join(
            json.dumps({"asctime": "2026-03-12 10:11:12,123", "levelname": "INFO", "name": "vllm.v1.worker.gpu_worker",
                        "processName": "EngineCore_DP0", "process": 71, "message": message}) + "\n"
            for message in ("Model loading took 15.27 GiB memory and 8.1 seconds", USAGE)
        ),
        {"kv_cache": 57.5, "measured": "2026-03-12", "names": ["EngineCore_DP0"]},
    ),
    "a cloud's JSON with a payload": (
        json.dumps({"jsonPayload": {"message": f"{WORK}{USAGE}"}, "timestamp": "2026-03-12T10:11:12Z"}) + "\n",
        {"kv_cache": 57.5},
    ),
    "V0's message of three lines in one JSON object": (
        json.dumps({"message": PROFILE.format(p="INFO 03-12 10:12:03 worker.py:241] ")}) + "\n",
        {"total": 79.11, "kv_cache": 54.83},
    ),
    "colours": (
        f"\x1b[1;36m(EngineCore_DP0 pid=71)\x1b[0;0m \x1b[32mINFO\x1b[0m 03-12 10:11:12 [gpu_worker.py:298] {USAGE}\n",
        {"kv_cache": 57.5, "names": ["EngineCore_DP0"]},
    ),
    "progress bars that rewrite their line": (
        "Loading safetensors checkpoint shards:   0% | 0/5 [00:00<?]\rLoading safetensors checkpoint shards: 100%\r"
        f"{WORK}Available KV cache memory: 57.5 GiB\nCapturing CUDA graphs:   0%|\rCapturing CUDA graphs: 100%|█| 51/51"
        f"\r{WORK}Graph capturing finished in 7 secs, took 0.96 GiB",
        {"kv_cache": 57.5, "graphs_taken": 0.96},
    ),
    "Windows line ends": (v1("0.19.0", USAGE).replace("\n", "\r\n"), {"kv_cache": 57.5, "release": "0.19.0"}),
    "cut off before the cache": (
        v1("0.19.0", "Model loading took 15.27 GiB memory and 8.1 seconds")[:-20],
        {"weights": None, "error": "ends before vLLM says anything about memory"},
    ),
    "arguments that are cut off": (
        "INFO 03-12 10:11:02 [utils.py:233] non-default args: {'model': 'Qwen/Qwen3-8B', 'max_model_len': 8192, 's'\n"
        f"{WORK}Available KV cache memory: 57.5 GiB\n",
        {"arguments": {"model": "Qwen/Qwen3-8B", "max-model-len": 8192}},
    ),
    "a size that was given": (
        v1("0.19.0", "Initial free memory 78.68 GiB, reserved 40.0 GiB memory for KV Cache as specified by "
           "kv_cache_memory_bytes config and skipped memory profiling. This does not respect the "
           "gpu_memory_utilization config.", V1_TOKENS),
        {"kv_cache_given": True, "free": 78.68, "kv_cache": None, "tokens": 418720},
    ),
    "two starts: the last one counts": (
        v1("0.19.0", USAGE, V1_TOKENS) + v1("0.20.2", USAGE.replace("57.5", "56.1"), ONE_LINE),
        {"starts": 2, "release": "0.20.2", "kv_cache": 56.1, "tokens": 395904},
    ),
    "a restart that got nowhere: the one before counts": (
        v1("0.19.0", USAGE, V1_TOKENS) + v1("0.19.0"),
        {"starts": 2, "kv_cache": 57.5},
    ),
    "too little free memory": (
        v1("0.19.0", "ValueError: Free memory on device cuda:0 (60.1/79.19 GiB) on startup is less than desired GPU "
           "memory utilization (0.95, 75.23 GiB). Decrease GPU memory utilization or reduce GPU memory used by other "
           "processes."),
        {"failures": ("free_memory",), "free": 60.1, "total": 79.19, "utilization": 0.95},
    ),
    "no memory for the cache": (
        v1("0.19.0", "Available KV cache memory: -2.14 GiB",
           "ValueError: No available memory for the cache blocks. Try increasing `gpu_memory_utilization`"),
        {"failures": ("kv_cache",), "kv_cache": -2.14},
    ),
    "not one request fits": (
        v1("0.8.3", "ValueError: To serve at least one request with the models's max seq len (131072), (16.00 GiB KV "
           "cache is needed, which is larger than the available KV cache memory (9.86 GiB)."),
        {"failures": ("kv_cache",), "kv_cache": 9.86},
    ),
    "the sampler's warm-up": (
        v1("0.10.2", "Available KV cache memory: 57.5 GiB", "RuntimeError: CUDA out of memory occurred when warming up "
           "sampler with 1024 dummy requests. Please try lowering `max_num_seqs` or `gpu_memory_utilization`"),
        {"failures": ("sampler",), "kv_cache": 57.5},
    ),
    "out of memory while loading, and nothing else": (
        v1("0.19.0", "Failed to load model - not enough GPU memory. Try lowering --gpu-memory-utilization",
           "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 594.00 MiB. GPU 0 has a total capacity of"),
        {"failures": ("weights", "out_of_memory"), "count": 0},
    ),
}  # fmt: skip


def read(text: str | bytes) -> StartupLog:
    return read_stream(io.BytesIO(text.encode() if isinstance(text, str) else text), "log")


def seen(log: StartupLog, name: str) -> Any:
    sizes = [worker.figures.kv_cache for worker in log.workers if worker.figures.kv_cache is not None]
    special = {"count": len(log.workers), "names": [one.name for one in log.workers], "least": min(sizes, default=None)}
    if name in special:
        return special[name]
    if hasattr(log, name):
        return getattr(log, name)
    return next((size for one in log.workers if (size := getattr(one.figures, name)) is not None), None)


@pytest.mark.parametrize("shape", SHAPES)
def test_figures_of_every_form(shape: str) -> None:
    text, expected = SHAPES[shape]
    if "error" in expected:
        with pytest.raises(ReadError, match=expected["error"]):
            read(text)
        return
    log = read(text)
    for name, value in expected.items():
        found = seen(log, name)
        if name in SIZES:
            assert (None if found is None else found / GIB) == (None if value is None else pytest.approx(value)), name
        else:
            assert found == value, name


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-8-sig"])
def test_encodings_of_other_systems(encoding: str) -> None:
    assert seen(read(v1("0.19.0", USAGE).encode(encoding)), "kv_cache") == round(57.5 * GIB)


def test_a_gzip_file_of_several_members_and_one_cut_off() -> None:
    packed = gzip.compress(v1("0.19.0", USAGE).encode()) + gzip.compress(v1("0.20.0", USAGE).encode())
    assert read(packed).starts == 2
    text = v1("0.19.0", USAGE) + "".join(f"{number:x}" * 9 + "\n" for number in range(9000))
    assert seen(read(gzip.compress(text.encode())[:-2000]), "kv_cache") == round(57.5 * GIB)
    with pytest.raises(ReadError, match="cannot be unpacked"):
        read(b"\x1f\x8b" + b"nothing of the kind" * 9)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "holds none of the lines"),
        (b"\n\n\n", "holds none of the lines"),
        (b"a letter to a friend\n" * 100, "holds none of the lines"),
        (bytes(range(256)) * 100, "is no text"),
        (b"\0" * 5000, "is no text"),
        (b"\x7fELF\x02\x01\x01" + b"\0" * 100, "is no text"),
        (b"INFO vLLM API server version 0.19.0\n", "ends before"),
    ],
)
def test_what_is_no_log_is_refused_in_one_line(data: bytes, said: str) -> None:
    with pytest.raises(ReadError, match=said) as caught:
        read(data)
    assert "\n" not in str(caught.value)


def test_what_cannot_be_opened_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ReadError, match="is a directory"):
        read_startup_log(tmp_path)
    with pytest.raises(ReadError, match="cannot read"):
        read_startup_log(tmp_path / "none.log")
    with pytest.raises(ReadError, match="cannot read"):
        read_startup_log(tmp_path / ("x" * 5000))


class Endless(io.RawIOBase):
    """So many bytes of the same text, with a start-up in front and one at the end, never held as a whole."""

    def __init__(self, filler: bytes, size: int) -> None:
        self._filler, self._left = filler * (1 + (1 << 20) // len(filler)), size
        self._head, self._tail = v1("0.19.0", USAGE).encode(), v1("0.20.0", USAGE).encode()

    def read(self, size: int = -1) -> bytes:
        if self._head:
            given, self._head = self._head, b""
        elif self._left > 0:
            given = self._filler[: min(size, self._left)]
            self._left -= len(given)
        else:
            given, self._tail = b"\n" + self._tail if self._tail else b"", b""
        return given


SERVING = (
    b'(APIServer pid=9) INFO:     10.0.0.7:41234 - "POST /v1/chat/completions HTTP/1.1" 200 OK\n'
    b"(APIServer pid=9) INFO 03-12 11:00:00 [loggers.py:127] Engine 000: Avg prompt throughput: 612.3 tokens/s, Avg "
    b"generation throughput: 241.9 tokens/s, Running: 12 reqs, Waiting: 0 reqs, GPU KV cache usage: 3.1%, Prefix cache "
    b"hit rate: 41.0%\n"
)


@pytest.mark.parametrize("filler", [SERVING, b"x", b"GiB ", b"\r", b"{", b"(pid=1 "], ids=repr)
def test_500_mb_in_constant_memory_and_bounded_time(filler: bytes) -> None:
    size = 500 << 20 if filler == SERVING else 60 << 20
    tracemalloc.start()
    started = time.process_time()
    log = read_stream(Endless(filler, size), "log")  # type: ignore[arg-type]
    spent, (_, most) = time.process_time() - started, tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert log.starts == 2
    assert most < 64 << 20
    assert spent < 30  # a loaded machine; a few seconds on an idle one


def test_many_lines_about_memory_are_bounded() -> None:
    text = v1("0.19.0", USAGE) + f"{WORK}Available KV cache memory: 57.5 GiB\n" * 60_000
    started = time.process_time()
    log = read(text)
    assert any("lines about memory were read" in note for note in log.notes)
    assert time.process_time() - started < 20


@pytest.mark.parametrize(
    "line",
    [
        "Available KV cache memory: " + "9" * 200_000 + " GiB",
        "Model loading took " + "1." * 100_000 + " GiB",
        "non-default args: {" + "'a': [" * 50_000,
        "non-default args: {'a': '" + "\\" * 200_000,
        "non-default args: {'a': " + "-" * 100_000 + "1, 'model': 'x'}",
        "Initializing a V1 LLM engine (v0.19.0) with config: " + "model='x', " * 20_000,
        "Free memory on device " + "(" * 100_000 + " on startup. Desired",
        "(" * 150_000 + " pid=1) GiB",
        '{"message": ' + "[" * 100_000 + ' "GiB"}',
    ],
)
def test_hostile_lines_take_no_time(line: str) -> None:
    started = time.process_time()
    log = read(f"{line}\n{v1('0.19.0', USAGE)}")
    assert seen(log, "kv_cache") == round(57.5 * GIB)
    assert time.process_time() - started < 5


def test_values_as_python_prints_them() -> None:
    text = (
        "Namespace(a=1, b='x, y)', c=[1, 2], d=<function f at 0x7f>, e=None, f=Thing(x={'y': 1}), g={'h': True}, "
        "i=<Mode.FULL: 'full'>, j=torch.bfloat16, k=(1, 2), l=auto, "
        "m={'mode': <CompilationMode.VLLM_COMPILE: 3>, 'cudagraph_mode': <CUDAGraphMode.FULL_AND_PIECEWISE: (2, 1)>}, "
        'n={"use_cudagraph":true,"level":3})'
    )
    values, unread = read_values(text)
    assert values == {
        "a": 1, "b": "x, y)", "c": [1, 2], "e": None, "g": {"h": True}, "i": "full", "j": "bfloat16", "k": [1, 2],
        "l": "auto", "m": {"mode": 3, "cudagraph_mode": "FULL_AND_PIECEWISE"}, "n": {"use_cudagraph": True, "level": 3},
    }  # fmt: skip
    assert unread == ("d", "f")
