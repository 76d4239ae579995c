"""A small option table with one option of every kind, spelled as vLLM 0.33.0 spells them."""

from __future__ import annotations

import pytest

from llmtune.spec.engine import EngineVersion, Option

OPTIONS = (
    Option("model", "str", default="Qwen/Qwen3-0.6B"),
    Option("config", "str"),
    Option("max-model-len", "int", human=True, auto=True),
    Option("max-num-batched-tokens", "int", human=True),
    Option("max-num-seqs", "int"),
    Option("port", "int", default=8000),
    Option("host", "str", optional=True),
    Option("seed", "int"),
    Option("revision", "str", optional=True),
    Option("kv-cache-memory-bytes", "int", human=True, optional=True),
    Option("gpu-memory-utilization", "float", aliases=("device-memory-utilization",)),
    Option("tensor-parallel-size", "int", aliases=("-tp",)),
    Option("nnodes", "int", aliases=("-n",)),
    Option("quantization", "str", optional=True, aliases=("-q",)),
    Option("dtype", "str", choices=("auto", "bfloat16", "float16")),
    Option("max-lora-rank", "int", choices=("8", "16", "32")),
    Option("moe-backend", "str", choices=("auto", "deep_gemm")),
    Option("enable-prefix-caching", "bool", negatable=True, inverse="disable-prefix-caching"),
    Option("enable-expert-parallel", "bool", negatable=True, aliases=("-ep",)),
    Option("enforce-eager", "bool", negatable=True),
    Option("disable-log-stats", "bool", flag_only=True),
    Option("optimization-level", "str"),
    Option("compilation-config", "json", json=True, human=True, aliases=("-cc",)),
    Option("speculative-config", "json", json=True, optional=True),
    Option("limit-mm-per-prompt", "json", json=True),
    Option("hf-overrides", "str", json=True),
    Option("allowed-origins", "json"),
    Option("served-model-name", "str", nargs="+", optional=True),
    Option("api-key", "str", nargs="+", optional=True),
    Option("cudagraph-capture-sizes", "int", nargs="+"),
    Option("window", "int", nargs="2"),
    Option("lora-modules", "str", nargs="+", optional=True),
    Option("hf-token", "str", nargs="?"),
    Option("middleware", "str", append=True),
    Option("chat-template", "str", optional=True),
)


@pytest.fixture(scope="session")
def engine() -> EngineVersion:
    return EngineVersion("0.33.0", {option.flag: option for option in OPTIONS}, {})


@pytest.fixture(scope="session")
def old_engine() -> EngineVersion:
    """An early release: values for booleans, pairs, a number or JSON, no lists and mappings in config files."""
    options = (
        Option("model", "str"),
        Option("port", "int"),
        Option("enable-chunked-prefill", "bool", nargs="?"),
        Option("limit-mm-per-prompt", "pairs"),
        Option("compilation-config", "json", json=True, aliases=("-O",)),
        Option("swap-space", "float"),
        Option("served-model-name", "str", nargs="+"),
    )
    behaviour = {"parser.config_lists": False, "parser.config_mappings": False}
    return EngineVersion("0.8.4", {option.flag: option for option in options}, behaviour)
