"""Settings that memory may depend on and that resolving does not turn into a field: told apart, not understood.

A setting counts unless it is known not to matter, so that a new flag of the engine keeps two deployments apart.
Numbers, switches and words of a fixed list stay readable; texts and JSON become a short digest, which says whether
they are equal and nothing else: they may hold paths, hosts or keys.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from llmtune.spec.deployment import Deployment, Value
    from llmtune.spec.engine import EngineVersion

RESOLVED = frozenset({
    "max-model-len", "max-num-seqs", "max-num-batched-tokens", "gpu-memory-utilization", "device-memory-utilization",
    "dtype", "kv-cache-dtype", "quantization", "block-size", "tensor-parallel-size", "pipeline-parallel-size",
    "data-parallel-size", "decode-context-parallel-size", "enable-expert-parallel", "enforce-eager",
    "enable-prefix-caching", "enable-chunked-prefill", "async-scheduling", "disable-hybrid-kv-cache-manager",
    "language-model-only", "mm-encoder-tp-mode", "kv-cache-memory-bytes", "kv-cache-memory",
    "num-gpu-blocks-override", "mamba-ssm-cache-dtype", "mamba-cache-dtype", "mamba-cache-mode", "enable-lora",
    "max-loras", "max-lora-rank", "cpu-offload-gb", "cudagraph-capture-sizes", "cuda-graph-sizes",
    "max-cudagraph-capture-size", "attention-backend",
})  # fmt: skip
HARMLESS = re.compile(  # the server in front of the engine, logs, tokenizers, where files come from, what is sampled
    r"allow-|allowed-|anthropic-|api-|chat-template|cohere-|collect-|code-revision$|config$|config-format$"
    r"|data-parallel-(address|backend|rank|rpc|start|supervisor|size-local|external|hybrid|multi)|default-chat-"
    r"|default-mm-loras$|disable-(access|fastapi|frontend|log|uvicorn)|disable-mm-preprocessor|download-dir$"
    r"|dp-(supervisor|sync)|enable-(auto-tool|flash-late|force-include|log|mfu|offline-docs|per-request|prompt-tokens"
    r"|reasoning|request-id|server-load|ssl|tokenizer-info|trace)|exclude-tools|expand-tools|fail-on-|fingerprint-"
    r"|generation-config$|grpc|guided-decoding|h11-|headless$|hf-(config-path|token)$|host$|ignore-patterns$"
    r"|interleave-mm-strings$|kv-(cache-metrics|events)|load-format$|log-|logging-config$|lora-modules$|master-"
    r"|max-(log-len|logprobs|num-active|num-queued)|middleware$|mm-(cache|hasher|processor-cache|shm-cache)|model$"
    r"|node-rank$|nnodes$|numa-|otlp-|override-generation-config$|port$|profiler-config$|reasoning-|response-role$"
    r"|return-tokens|revision$|root-path$|safetensors-|scheduling-policy$|seed$|served-model-name$|show-hidden|shutdown-"
    r"|sse-|ssl-|stream-interval$|structured-outputs|swap-space$|tokenizer|tool-|trust-|uds$|use-tqdm|uvicorn-"
    r"|watchdog|watermark"
)
DIGITS = 8  # of the digest: enough to tell a handful of deployments apart


def other_settings(deployment: Deployment, engine: EngineVersion) -> dict[str, Value]:
    """The settings that count, by flag, as they may be kept.

    Settings that only repeat the release's default are left out, since a log prints all of them or none.
    """
    found: dict[str, Value] = {}
    for setting in deployment.settings:
        if setting.flag in RESOLVED or HARMLESS.match(setting.flag):
            continue
        option = engine.options.get(setting.flag)
        if setting.value is None or (option is not None and setting.value == option.default):
            continue
        found[setting.flag] = _kept(setting.value, option.choices if option is not None else ())
    return dict(sorted(found.items()))


def _kept(value: Value, choices: tuple[str, ...]) -> Value:
    """A value in a form that holds no text of the user's own.

    >>> _kept(True, ()), _kept("mp", ("mp", "ray")), _kept({"image": 2}, ())
    (True, 'mp', 'sha256:2226ea8e')
    """
    if isinstance(value, bool | int | float) or (isinstance(value, str) and value in choices):
        return value
    from hashlib import sha256  # noqa: PLC0415 - few deployments set such things

    text = json.dumps(value, sort_keys=True, ensure_ascii=False)
    return f"sha256:{sha256(text.encode('utf-8', 'replace')).hexdigest()[:DIGITS]}"
