"""From what somebody set to what the engine will run with: every default that decides memory or limits.

Defaults depend on the release, the GPU and the model, and on each other, so they are filled in one fixed order:
runner, length, batch, caches, graphs. Each value keeps where it comes from.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from llmtune.calc import traits
from llmtune.calc.batching import Basis, batch_limits, chunks_prefill
from llmtune.calc.fusion import fuses_norms
from llmtune.calc.graph_sizes import capture_sizes, graph_mode
from llmtune.calc.runner import (
    AMPERE,
    batches_in_flight,
    choose_runner,
    overlaps_outputs,
    schedules_ahead,
    speculative_method,
    speculative_tokens,
)
from llmtune.calc.settings import Settings
from llmtune.calc.switches import on, ratio, word, words
from llmtune.spec.deployment import Resolved

if TYPE_CHECKING:
    from llmtune.spec.deployment import Deployment
    from llmtune.spec.engine import EngineVersion
    from llmtune.spec.hardware import Gpu, Hardware
    from llmtune.spec.model import Model

AUTO_LENGTHS = (-1, "auto")
UNKNOWN_LENGTH = 2048  # config/model.py::_get_and_verify_max_len, where the config names no limit
DTYPES = {"half": "float16", "float": "float32"}
NO_FLOAT16 = {  # config/model.py::_FLOAT16_NOT_SUPPORTED_MODELS: architecture and the model type in its message
    "Gemma2ForCausalLM": "gemma2",
    "Gemma3ForCausalLM": "gemma3_text",
    "Gemma3ForConditionalGeneration": "gemma3",
    "Glm4ForCausalLM": "glm4",
}
DEFAULT_LORA_RANK = 16
GIB = 2**30

SET, DEFAULT, MODEL, CALCULATED = "set", "engine default", "model", "calculated"


def resolve(deployment: Deployment, model: Model, hardware: Hardware, engine: EngineVersion) -> Resolved:
    """The settings the engine will run with.

    Example:
        ``vllm serve Qwen/Qwen3-8B`` on one H100 under 0.33.0: max_model_len 40,960 (model), max_num_seqs 1024 and
        max_num_batched_tokens 8192 (GPU class), gpu_memory_utilization 0.92 (engine default).

    """
    settings = Settings(deployment)
    gpu = hardware.gpu
    runner = choose_runner(settings, model, gpu=gpu, engine=engine)
    length, automatic, length_from = _length(settings, model, engine)
    basis = Basis(settings, model, gpu, engine, runner, length)
    chunked = chunks_prefill(basis)
    limits = batch_limits(basis, chunked=chunked)
    share = settings.number("gpu-memory-utilization", "device-memory-utilization")
    resolved = Resolved(
        max_model_len=length,
        auto_max_model_len=automatic,
        max_num_seqs=limits.seqs,
        max_num_batched_tokens=limits.tokens,
        gpu_memory_utilization=ratio(engine, "default.gpu_memory_utilization") if share is None else share,
        dtype=_dtype(settings, model, gpu=gpu, engine=engine),
        quantization=_quantization(settings, model, engine),
        chunked_prefill=chunked,
        runner=runner,
        origins={
            **_plain_origins(settings, model),
            "max-model-len": length_from,
            "max-num-seqs": limits.seqs_from,
            "max-num-batched-tokens": limits.tokens_from,
        },
    )
    return _with_graphs(_with_caches(_with_parts(_with_ranks(resolved, basis), basis), basis), basis)


def _with_ranks(resolved: Resolved, basis: Basis) -> Resolved:
    """How the model is split, and how many batches are then in flight."""
    settings = basis.settings
    tensor, pipeline, data = (_parallel(settings, kind) for kind in ("tensor", "pipeline", "data"))
    ahead = schedules_ahead(settings, basis.model, engine=basis.engine, runner=basis.runner)
    return replace(
        resolved,
        tensor_parallel=tensor,
        pipeline_parallel=pipeline,
        data_parallel=data,
        decode_context_parallel=_parallel(settings, "decode-context"),
        expert_parallel=bool(settings.flag("enable-expert-parallel")),
        async_scheduling=ahead,
        async_output_proc=overlaps_outputs(settings, basis.model),
        fuses_norms=fuses_norms(basis, tensor=tensor, replicas=data, stages=pipeline),
        max_concurrent_batches=batches_in_flight(basis.runner, ahead=ahead, pipeline_parallel=pipeline),
    )


def _with_parts(resolved: Resolved, basis: Basis) -> Resolved:
    """What is loaded beside the plain language model, and where."""
    settings = basis.settings
    loras = (settings.integer("max-loras") or 1) if settings.flag("enable-lora") else 0
    return replace(
        resolved,
        language_model_only=_only_text(settings),
        mm_encoder_tp_mode=settings.text("mm-encoder-tp-mode") or "weights",
        mm_profiling=not settings.flag("skip-mm-profiling"),
        speculative_tokens=speculative_tokens(settings, basis.model),
        speculative_method=speculative_method(settings),
        shares_draft_head=on(basis.engine, "memory.draft_head_shared"),
        max_loras=loras,
        max_lora_rank=(settings.integer("max-lora-rank") or DEFAULT_LORA_RANK) if loras else 0,
        fully_sharded_loras=bool(settings.flag("fully-sharded-loras")),
        cpu_offload=int((settings.number("cpu-offload-gb") or 0) * GIB),
        tables_on_host=settings.mapping("engram-config").get("cpu_offload") is not False,
    )


def _with_caches(resolved: Resolved, basis: Basis) -> Resolved:
    """How KV cache and recurrent states are kept."""
    settings = basis.settings
    prefix = _caches_prefixes(basis)
    kv_dtype, kv_dtype_from = _kv_dtype(settings, basis.model, basis.engine)
    backend = settings.text("attention-backend") or settings.environment.get("VLLM_ATTENTION_BACKEND")
    return replace(
        resolved,
        kv_cache_dtype=kv_dtype,
        block_size=settings.integer("block-size"),
        prefix_caching=prefix,
        hybrid_kv_manager=not settings.flag("disable-hybrid-kv-cache-manager"),
        kv_cache_memory=settings.integer("kv-cache-memory-bytes", "kv-cache-memory"),
        num_gpu_blocks_override=settings.integer("num-gpu-blocks-override"),
        mamba_ssm_cache_dtype=_unless_auto(settings.text("mamba-ssm-cache-dtype")),
        mamba_cache_dtype=_unless_auto(settings.text("mamba-cache-dtype")),
        mamba_cache_mode=_state_mode(settings, basis.model, prefix=prefix),
        attention_backend=backend,
        origins={**resolved.origins, "kv-cache-dtype": kv_dtype_from},
    )


def _with_graphs(resolved: Resolved, basis: Basis) -> Resolved:
    """Which CUDA graphs are captured."""
    mode = graph_mode(basis)
    sizes = capture_sizes(
        basis,
        mode=mode,
        seqs=resolved.max_num_seqs,
        tokens=resolved.max_num_batched_tokens,
        draft_tokens=resolved.speculative_tokens,
    )
    return replace(
        resolved,
        enforce_eager=bool(basis.settings.flag("enforce-eager")),
        cudagraph_mode=mode,
        cudagraph_sizes=sizes,
    )


def _length(settings: Settings, model: Model, engine: EngineVersion) -> tuple[int, bool, str]:
    """Context length in tokens, whether it is fitted to the memory later, and where it comes from."""
    limit = model.max_context or UNKNOWN_LENGTH
    if model.yarn_context and on(engine, "default.yarn_multiplies"):
        limit = model.yarn_context
    if settings.flag("disable-sliding-window") and traits.windows(model):
        limit = min(limit, *traits.windows(model))
    asked = settings.raw("max-model-len")
    if asked in AUTO_LENGTHS:
        return limit, on(engine, "default.auto_max_model_len"), CALCULATED
    if isinstance(asked, int) and not isinstance(asked, bool):
        return asked, False, SET
    return min(limit, model.default_context or limit), False, MODEL


def length_limit(settings: Settings, model: Model, engine: EngineVersion) -> int:
    """The longest context the engine allows this model without being told otherwise, in tokens."""
    if model.yarn_context and on(engine, "default.yarn_multiplies"):
        return max(model.yarn_context, model.max_context)
    if settings.flag("disable-sliding-window") and traits.windows(model):
        return min(model.max_context, *traits.windows(model))
    return model.max_context


def _dtype(settings: Settings, model: Model, *, gpu: Gpu, engine: EngineVersion) -> str:
    """The 16- or 32-bit type of activations and unquantised weights (config/model.py::_get_and_verify_dtype)."""
    asked = settings.text("dtype") or "auto"
    if asked != "auto":
        return DTYPES.get(asked, asked)
    old = gpu.compute_capability is not None and gpu.compute_capability < AMPERE
    preferred = "float16" if old else "bfloat16"
    if old and model.architecture in NO_FLOAT16:
        preferred = "float32"
    if model.dtype == "float16" and model.architecture in NO_FLOAT16 and on(engine, "validity.float16_unsafe"):
        return preferred  # config/model.py::_resolve_auto_dtype leaves float16 out for these models
    falls_back = old and on(engine, "default.dtype_of_gpu")
    if model.dtype == "float32":
        return preferred if falls_back else word(engine, "default.float32_becomes")
    if model.dtype == "bfloat16" and falls_back:
        return preferred
    return model.dtype


def _quantization(settings: Settings, model: Model, engine: EngineVersion) -> str | None:
    """The method asked for, unless the checkpoint is of a kind that decides by itself."""
    stored = model.quantization
    return stored if stored in words(engine, "quantization.overrides") else settings.text("quantization") or stored


def _kv_dtype(settings: Settings, model: Model, engine: EngineVersion) -> tuple[str, str]:
    """What was asked for, or what the checkpoint says where the release reads that of its kind."""
    asked = settings.text("kv-cache-dtype")
    if asked not in {None, "auto"}:
        return str(asked), SET
    read = (model.quantization or "").startswith(tuple(words(engine, "kv.dtype_of_checkpoint")))
    return (model.kv_cache_dtype, MODEL) if model.kv_cache_dtype and read else ("auto", DEFAULT)


def _caches_prefixes(basis: Basis) -> bool:
    """Whether prompts share cached prefixes (config/model.py::is_prefix_caching_supported)."""
    if traits.is_encoder_decoder(basis.model):
        return False
    asked = basis.settings.flag("enable-prefix-caching")
    if asked is not None:
        return asked and not (basis.runner == "v0" and basis.model.multimodal)
    if basis.runner == "v0" or traits.is_attention_free(basis.model):
        return False
    switch = "default.prefix_caching_hybrid" if traits.is_hybrid(basis.model) else "default.prefix_caching"
    return on(basis.engine, switch)


def _state_mode(settings: Settings, model: Model, *, prefix: bool) -> str:
    if not traits.has_state(model) or not prefix:
        return "none"
    asked = settings.text("mamba-cache-mode")
    return "align" if asked in {None, "none"} else str(asked)


def _parallel(settings: Settings, kind: str) -> int:
    return settings.integer(f"{kind}-parallel-size") or 1


def _only_text(settings: Settings) -> bool:
    """Whether towers stay unloaded: said so, or no picture and no video is allowed."""
    if settings.flag("language-model-only"):
        return True
    limits = settings.mapping("limit-mm-per-prompt")
    return limits.get("image") == 0 and limits.get("video") == 0


def _unless_auto(text: str | None) -> str | None:
    return None if text == "auto" else text


def _plain_origins(settings: Settings, model: Model) -> dict[str, str]:
    """Where the values come from that have a fixed default."""
    plain = (
        "gpu-memory-utilization", "block-size", "tensor-parallel-size", "pipeline-parallel-size",
        "data-parallel-size", "decode-context-parallel-size", "enable-expert-parallel", "enforce-eager",
        "enable-prefix-caching", "enable-chunked-prefill", "async-scheduling", "kv-cache-memory-bytes",
        "speculative-config", "enable-lora", "cpu-offload-gb", "language-model-only", "mm-encoder-tp-mode",
    )  # fmt: skip
    origins = {flag: SET if settings.has(flag) else DEFAULT for flag in plain}
    origins["dtype"] = SET if settings.text("dtype") not in {None, "auto"} else MODEL
    if settings.has("quantization"):
        origins["quantization"] = SET
    elif model.quantization:
        origins["quantization"] = MODEL
    return origins
