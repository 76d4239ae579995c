"""A small option table with one option of every kind, spelled as vLLM 0.33.0 spells them."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from llmtune.spec.engine import EngineVersion, Option


@dataclass(frozen=True, slots=True)
class Wide(Option):
    """An option with the facts that option tables hold beyond the noun."""

    inverse: str | None = None
    append: bool = False
    auto: bool = False


OPTIONS = (
    Wide("model", "str", default="Qwen/Qwen3-0.6B"),
    Wide("config", "str"),
    Wide("max-model-len", "int", human=True, auto=True),
    Wide("max-num-batched-tokens", "int", human=True),
    Wide("max-num-seqs", "int"),
    Wide("port", "int", default=8000),
    Wide("host", "str", optional=True),
    Wide("seed", "int"),
    Wide("revision", "str", optional=True),
    Wide("kv-cache-memory-bytes", "int", human=True, optional=True),
    Wide("gpu-memory-utilization", "float", aliases=("device-memory-utilization",)),
    Wide("tensor-parallel-size", "int", aliases=("-tp",)),
    Wide("nnodes", "int", aliases=("-n",)),
    Wide("quantization", "str", optional=True, aliases=("-q",)),
    Wide("dtype", "str", choices=("auto", "bfloat16", "float16")),
    Wide("max-lora-rank", "int", choices=("8", "16", "32")),
    Wide("moe-backend", "str", choices=("auto", "deep_gemm")),
    Wide("enable-prefix-caching", "bool", negatable=True, inverse="disable-prefix-caching"),
    Wide("enable-expert-parallel", "bool", negatable=True, aliases=("-ep",)),
    Wide("enforce-eager", "bool", negatable=True),
    Wide("disable-log-stats", "bool", flag_only=True),
    Wide("optimization-level", "str"),
    Wide("compilation-config", "json", json=True, human=True, aliases=("-cc",)),
    Wide("speculative-config", "json", json=True, optional=True),
    Wide("limit-mm-per-prompt", "json", json=True),
    Wide("hf-overrides", "str", json=True),
    Wide("allowed-origins", "json"),
    Wide("served-model-name", "str", nargs="+", optional=True),
    Wide("api-key", "str", nargs="+", optional=True),
    Wide("cudagraph-capture-sizes", "int", nargs="+"),
    Wide("window", "int", nargs="2"),
    Wide("lora-modules", "str", nargs="+", optional=True),
    Wide("hf-token", "str", nargs="?"),
    Wide("middleware", "str", append=True),
    Wide("chat-template", "str", optional=True),
)


@pytest.fixture(scope="session")
def engine() -> EngineVersion:
    return EngineVersion("0.33.0", {option.flag: option for option in OPTIONS}, {})


@pytest.fixture(scope="session")
def old_engine() -> EngineVersion:
    """An early release: values for booleans, pairs, a number or JSON, no lists and mappings in config files."""
    options = (
        Wide("model", "str"),
        Wide("port", "int"),
        Wide("enable-chunked-prefill", "bool", nargs="?"),
        Wide("limit-mm-per-prompt", "pairs"),
        Wide("compilation-config", "json", json=True, aliases=("-O",)),
        Wide("swap-space", "float"),
        Wide("served-model-name", "str", nargs="+"),
    )
    behaviour = {"parser.config_lists": False, "parser.config_mappings": False}
    return EngineVersion("0.8.4", {option.flag: option for option in options}, behaviour)
