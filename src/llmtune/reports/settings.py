"""The resolved settings of a deployment under the engine's own flag names, each with where it comes from."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from llmtune.spec.deployment import Deployment, Resolved, Value

FIELDS = {
    "max-model-len": "max_model_len",
    "max-num-seqs": "max_num_seqs",
    "max-num-batched-tokens": "max_num_batched_tokens",
    "gpu-memory-utilization": "gpu_memory_utilization",
    "dtype": "dtype",
    "kv-cache-dtype": "kv_cache_dtype",
    "quantization": "quantization",
    "tensor-parallel-size": "tensor_parallel",
    "pipeline-parallel-size": "pipeline_parallel",
    "data-parallel-size": "data_parallel",
    "decode-context-parallel-size": "decode_context_parallel",
    "enable-expert-parallel": "expert_parallel",
    "enforce-eager": "enforce_eager",
    "enable-prefix-caching": "prefix_caching",
    "enable-chunked-prefill": "chunked_prefill",
    "async-scheduling": "async_scheduling",
}


def resolved_settings(deployment: Deployment, resolved: Resolved) -> dict[str, tuple[Value, str]]:
    """Flag to value and origin: what decides memory first, then whatever else is set.

    ``block-size`` is that of the KV cache plan and stands there; secrets have been replaced before.
    """
    settings: dict[str, tuple[Value, str]] = {
        flag: (getattr(resolved, field), resolved.origins.get(flag, "engine default")) for flag, field in FIELDS.items()
    }
    for setting in deployment.settings:
        if setting.flag not in settings:
            settings[setting.flag] = (setting.value, "set")
        elif settings[setting.flag][1] != "set":
            settings[setting.flag] = (settings[setting.flag][0], "set")
    return settings
