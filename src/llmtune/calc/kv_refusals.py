"""The engine's own words when the KV cache does not fit.

Source: vLLM 0.33.0, ``v1/core/kv_cache_planning.py::_check_enough_kv_cache_memory`` and ``_auto_fit_max_model_len``,
``config/compilation.py::resolve_cudagraph_mode_and_sizes``; V0: ``worker/worker.py::raise_if_cache_size_invalid``.
"""

from __future__ import annotations

GIB = 2**30
NO_MEMORY = (
    "No available memory for the cache blocks. Try increasing `gpu_memory_utilization` when initializing the engine "
    "(this flag also controls CPU memory reservation on the CPU backend, despite its name). See "
    "https://docs.vllm.ai/en/latest/configuration/conserving_memory/ for more details."
)
NO_FIT = (
    "Cannot auto-fit max_model_len: not enough GPU memory available to serve even a single token. Try increasing "
    "`gpu_memory_utilization`."
)


def too_long(length: int, *, needed: int, memory: int, longest: int) -> str:
    """One request of ``length`` tokens needs ``needed`` bytes of ``memory``; ``longest`` tokens would fit."""
    estimate = ""
    if longest > 0:
        estimate = f"Based on the available memory, the estimated maximum model length is {longest}. "
    return (
        f"To serve at least one request with the model's max seq len ({length}), ({_gib(needed)} GiB KV cache is "
        f"needed, which is larger than the available KV cache memory ({_gib(memory)} GiB). {estimate}Try increasing "
        "`gpu_memory_utilization` (which also controls CPU memory on the CPU backend) or decreasing `max_model_len` "
        "when initializing the engine. See https://docs.vllm.ai/en/latest/configuration/conserving_memory/ for more "
        "details."
    )


def too_long_in_tokens(length: int, tokens: int) -> str:
    """The same in the words of releases that counted tokens."""
    return (
        f"The model's max seq len ({length}) is larger than the maximum number of tokens that can be stored in KV "
        f"cache ({tokens}). Try increasing `gpu_memory_utilization` or decreasing `max_model_len` when initializing "
        "the engine."
    )


def too_many_requests(requests: int, blocks: int) -> str:
    """CUDA graphs of recurrent layers need a block for every request of a batch."""
    return (
        f"max_num_seqs ({requests}) exceeds available Mamba cache blocks ({blocks}). Each decode sequence requires one "
        f"Mamba cache block, so CUDA graph capture cannot proceed. Please lower max_num_seqs to at most {blocks} or "
        "increase gpu_memory_utilization."
    )


def _gib(size: int) -> float:
    """As the engine prints GiB: two decimals, trailing zeros dropped (``utils/mem_utils.py::format_gib``)."""
    return round(size / GIB, 2)
