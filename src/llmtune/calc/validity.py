"""Hard rules of the engine that refuse a deployment before anything is measured.

Each rule is a small function that returns the engine's own words, or None. They run in the order in which the engine
builds its configuration, so the first failure here is the one a user would see. Not here: block sizes of quantised
weights (``calc.weights``) and what attention kernels refuse (``calc.attention_backend``).
Source: vLLM 0.33.0 config/model.py, cache.py, parallel.py, scheduler.py, vllm.py; switches for earlier releases.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.calc import traits, validity_drafts, validity_parallel, validity_quantization
from llmtune.calc.resolve import NO_FLOAT16, length_limit
from llmtune.calc.runner import AMPERE
from llmtune.calc.settings import Settings, whole_numbers
from llmtune.calc.switches import on, word
from llmtune.spec.memory import Failure
from llmtune.spec.record import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llmtune.spec.deployment import Deployment, Resolved
    from llmtune.spec.engine import EngineVersion
    from llmtune.spec.hardware import Hardware
    from llmtune.spec.model import Model


@dataclass(frozen=True, slots=True)
class Claim:
    """What the rules look at."""

    settings: Settings
    model: Model
    resolved: Resolved
    hardware: Hardware
    engine: EngineVersion


def check(
    deployment: Deployment, model: Model, resolved: Resolved, hardware: Hardware, engine: EngineVersion
) -> Failure | None:
    """The first hard rule that the deployment breaks, in the engine's words, or None.

    ``kind`` is ``gpus`` where there are too few of them, ``invalid`` otherwise.

    Example:
        Qwen3-8B with ``--tensor-parallel-size 3`` has 32 heads: "Total number of attention heads (32) must be
        divisible by tensor parallel size (3)."

    """
    claim = Claim(Settings(deployment), model, resolved, hardware, engine)
    return next(failures(claim), None)


def failures(claim: Claim, *, any_gpu: bool = False) -> Iterator[Failure]:
    """Every hard rule that a deployment breaks, in the engine's order, each with its name as ``check``.

    ``any_gpu`` leaves out the rules whose limits follow from the class of the GPU: for a claim about hardware that
    nobody named.
    """
    for kind, rules in (
        ("invalid", (*MODEL_RULES, *CACHE_RULES)),
        ("gpus", (validity_parallel.too_few_gpus,)),
        ("invalid", validity_parallel.RULES),
        ("invalid", () if any_gpu else SCHEDULER_RULES),
        ("invalid", ENGINE_RULES),
        ("gpus", (validity_parallel.too_few_replica_gpus,)),
    ):
        for rule in rules:
            message = rule(claim)
            if message is not None:
                yield Failure(kind, message, rule.__name__.strip("_").replace("_", "-"))


# ---------------------------------------------------------------------------------------------------- model


def _known_architecture(claim: Claim) -> str | None:
    """Whether the release has the model's class (model_executor/models/registry.py)."""
    name = claim.model.architecture
    return f"Model architectures ['{name}'] are not supported for now." if name in claim.engine.refused else None


def _positive_length(claim: Claim) -> str | None:
    length = claim.settings.integer("max-model-len")
    if length is None or length > 0 or length == -1:
        return None
    return f"max_model_len must be a positive integer, got int: {length}. Example: max_model_len=2048"


def _allowed_length(claim: Claim) -> str | None:
    """config/model.py::_get_and_verify_max_len. A limit of 0 means that the model's config names none.

    Settings that override the config move the limit to where nobody has computed it: then nothing is refused.
    """
    if claim.settings.has("hf-overrides", "rope-scaling", "rope-theta"):
        return None
    limit = length_limit(claim.settings, claim.model, claim.engine)
    length = claim.resolved.max_model_len
    if length <= limit or not limit or claim.settings.variable("VLLM_ALLOW_LONG_MAX_MODEL_LEN"):
        return None
    return (
        f"User-specified max_model_len ({length}) is greater than the derived max_model_len "
        f"(max_position_embeddings={limit} or model_max_length=None in model's config.json). To allow overriding "
        "this maximum, set the env var VLLM_ALLOW_LONG_MAX_MODEL_LEN=1."
    )


def _stable_dtype(claim: Claim) -> str | None:
    kind = NO_FLOAT16.get(claim.model.architecture)
    if kind is None or claim.resolved.dtype != "float16" or not on(claim.engine, "validity.float16_unsafe"):
        return None
    return (
        f"The model type '{kind}' does not support float16. Reason: Numerical instability. Please use bfloat16 or "
        "float32 instead."
    )


def _supported_dtype(claim: Claim) -> str | None:
    """platforms/cuda.py::check_if_supports_dtype."""
    gpu = claim.hardware.gpu
    capability = gpu.compute_capability
    if claim.resolved.dtype != "bfloat16" or capability is None or capability >= AMPERE:
        return None
    return (
        "Bfloat16 is only supported on GPUs with compute capability of at least 8.0. "
        f"Your {gpu.product} GPU has compute capability {capability[0]}.{capability[1]}. You can use float16 instead "
        "by explicitly setting the `dtype` flag in CLI, for example: --dtype=half."
    )


# ---------------------------------------------------------------------------------------------------- cache


def _share_in_bounds(claim: Claim) -> str | None:
    share = claim.resolved.gpu_memory_utilization
    if word(claim.engine, "validity.share") == "old":
        return f"GPU memory utilization must be less than 1.0. Got {share}." if share > 1 else None
    if share > 1:
        return "gpu_memory_utilization: Input should be less than or equal to 1"
    return "gpu_memory_utilization: Input should be greater than 0" if share <= 0 else None


# ------------------------------------------------------------------------------------------------ scheduler


def _counts_positive(claim: Claim) -> str | None:
    for flag in ("max-num-batched-tokens", "max-num-seqs"):
        value = claim.settings.integer(flag)
        if value is not None and value < 1:
            return f"{flag.replace('-', '_')}: Input should be greater than or equal to 1"
    return None


def _whole_prompts_fit(claim: Claim) -> str | None:
    resolved = claim.resolved
    if resolved.chunked_prefill or resolved.max_num_batched_tokens >= resolved.max_model_len:
        return None
    return (
        f"max_num_batched_tokens ({resolved.max_num_batched_tokens}) is smaller than max_model_len "
        f"({resolved.max_model_len}). This effectively limits the maximum sequence length to max_num_batched_tokens "
        "and makes vLLM reject longer sequences. Please increase max_num_batched_tokens or decrease max_model_len."
    )


def _one_token_each(claim: Claim) -> str | None:
    resolved = claim.resolved
    if resolved.max_num_batched_tokens >= resolved.max_num_seqs:
        return None
    return (
        f"max_num_batched_tokens ({resolved.max_num_batched_tokens}) must be greater than or equal to max_num_seqs "
        f"({resolved.max_num_seqs})."
    )


def _active_within_seqs(claim: Claim) -> str | None:
    active = claim.settings.integer("max-num-active-seqs")
    most = claim.resolved.max_num_seqs
    if active is None or active <= most:
        return None
    return f"max_num_active_seqs ({active}) cannot be greater than max_num_seqs ({most})."


def _threshold_within_length(claim: Claim) -> str | None:
    threshold = claim.settings.integer("long-prefill-token-threshold")
    length = claim.resolved.max_model_len
    if threshold is None or threshold <= length:
        return None
    return f"long_prefill_token_threshold ({threshold}) cannot be greater than the max_model_len ({length})."


# --------------------------------------------------------------------------------------------- whole engine


def _adapters(claim: Claim) -> str | None:
    if not claim.settings.flag("enable-lora"):
        return None
    loras, on_cpu = claim.settings.integer("max-loras"), claim.settings.integer("max-cpu-loras")
    if loras is not None and loras < 1:
        return "max_loras: Input should be greater than or equal to 1"
    if on_cpu is not None and on_cpu < (loras or 1):
        return f"max_cpu_loras ({on_cpu}) must be >= max_loras ({loras or 1})."
    return None


def _state_blocks(claim: Claim) -> str | None:
    if not claim.settings.has("mamba-block-size") or claim.resolved.prefix_caching:
        return None
    return "--mamba-block-size can only be set with --enable-prefix-caching"


def _same_kv_dtype(claim: Claim) -> str | None:
    kv, dtype = claim.resolved.kv_cache_dtype, claim.resolved.dtype
    if not on(claim.engine, "validity.kv_dtype_matches") or kv not in {"float16", "bfloat16"} or kv == dtype:
        return None
    allowed = f"`auto` or `{dtype}`" if dtype in {"float16", "bfloat16"} else "`auto`"
    return f'kv_cache_dtype="{kv}" is incompatible with dtype="{dtype}". Please set `--kv-cache-dtype` to {allowed}.'


def _heads_split(claim: Claim) -> str | None:
    heads, ranks = claim.model.heads, claim.resolved.tensor_parallel
    if heads % ranks == 0:
        return None
    return f"Total number of attention heads ({heads}) must be divisible by tensor parallel size ({ranks})."


def _capture_sizes_agree(claim: Claim) -> str | None:
    config = claim.settings.mapping("compilation-config")
    sizes = whole_numbers(config.get("cudagraph_capture_sizes")) or claim.settings.sizes("cudagraph-capture-sizes")
    most = config.get("max_cudagraph_capture_size") or claim.settings.integer("max-cudagraph-capture-size")
    kept = [size for size in sizes if size <= claim.resolved.max_num_batched_tokens]
    if not sizes or most is None or claim.resolved.cudagraph_mode == "none" or most == max(kept, default=0):
        return None
    return (
        f"customized max_cudagraph_capture_size(={most}) should be consistent with the max value of "
        f"cudagraph_capture_sizes(={max(kept, default=0)})"
    )


def _kv_heads_split(claim: Claim) -> str | None:
    """linear.py::QKVParallelLinear: KV heads are split, or copied when there are more ranks than heads."""
    heads, ranks = claim.model.kv_heads, claim.resolved.tensor_parallel
    if not heads or traits.uses_latents(claim.model) or traits.is_attention_free(claim.model):
        return None
    larger, smaller = max(heads, ranks), min(heads, ranks)
    return None if larger % smaller == 0 else f"AssertionError: {larger} is not divisible by {smaller}"


def _vocabulary_splits(claim: Claim) -> str | None:
    """vocab_parallel_embedding.py: rows are padded to a multiple of 64 first."""
    rows, ranks = -(-claim.model.vocab // 64) * 64, claim.resolved.tensor_parallel
    return None if rows % ranks == 0 else f"AssertionError: {rows} is not divisible by {ranks}"


MODEL_RULES = (
    _known_architecture,
    _positive_length,
    _allowed_length,
    *validity_quantization.RULES,
    _stable_dtype,
)
CACHE_RULES = (_share_in_bounds,)
SCHEDULER_RULES = (
    _counts_positive,
    _whole_prompts_fit,
    _one_token_each,
    _active_within_seqs,
    _threshold_within_length,
    validity_drafts.adapters_budget,
)
ENGINE_RULES = (
    *validity_drafts.RULES,
    _adapters,
    _heads_split,
    *validity_parallel.MODEL_RULES,
    validity_quantization.capable,
    validity_quantization.described,
    validity_quantization.computes_in,
    _state_blocks,
    _same_kv_dtype,
    _capture_sizes_agree,
    _supported_dtype,
    _kv_heads_split,
    _vocabulary_splits,
)
