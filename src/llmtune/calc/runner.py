"""Which model runner a release uses, and whether it schedules the next step before the last one has ended.

v0 is the engine up to 0.7 (and, until 0.10.1, where its successor lacked a feature), v1 and v2 are the two model
runners of the later engine. They differ in what they keep allocated and in how many batches are in flight.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.calc import traits
from llmtune.calc.switches import on, word, words

if TYPE_CHECKING:
    from llmtune.calc.settings import Settings
    from llmtune.spec.engine import EngineVersion
    from llmtune.spec.hardware import Gpu
    from llmtune.spec.model import Model

AMPERE = (8, 0)  # the first compute capability with bfloat16, and that the v1 engine asked for until 0.10.1
MTP_SUFFIX = "mtp"  # deepseek_mtp, qwen3_next_mtp, … are the method mtp
ASYNC_EXECUTORS = frozenset({"mp", "uni", "external_launcher"})


def choose_runner(settings: Settings, model: Model, *, gpu: Gpu, engine: EngineVersion) -> str:
    """The runner: v0, v1 or v2.

    Source: vLLM 0.8.5 engine/arg_utils.py::_is_v1_supported_oracle; 0.22.1 and 0.33.0
    config/vllm.py::VllmConfig.use_v2_model_runner.
    """
    if _uses_v0(settings, model, gpu=gpu, engine=engine):
        return "v0"
    asked = settings.variable("VLLM_USE_V2_MODEL_RUNNER") if on(engine, "runner.v2_env") else None
    if asked is not None:
        return "v2" if asked else "v1"
    return "v2" if _takes_v2(settings, model, engine) else "v1"


def schedules_ahead(settings: Settings, model: Model, *, engine: EngineVersion, runner: str) -> bool:
    """Whether async scheduling is on.

    Source: vLLM 0.14.0, 0.19.0 and 0.33.0 config/vllm.py::VllmConfig.__post_init__.
    """
    asked = settings.flag("async-scheduling")
    if runner == "v0" or asked is not None:
        return runner != "v0" and bool(asked)
    executor = settings.text("distributed-executor-backend")
    if executor is not None and executor not in ASYNC_EXECUTORS:
        return False
    if not on(engine, "default.async_scheduling") or pools(settings, model):
        return False
    if runner == "v2" and on(engine, "runner.async_any_method_on_v2"):
        return True
    pipeline = settings.integer("pipeline-parallel-size") or 1
    method = speculative_method(settings)
    known = method is None or method in words(engine, "runner.async_methods")
    return known and (pipeline == 1 or on(engine, "runner.async_with_pipeline"))


def overlaps_outputs(settings: Settings, model: Model) -> bool:
    """Whether V0 turns tokens into text while the GPU computes the next step (async output processing).

    Source: vLLM 0.6.0 and 0.8.5 config.py::ModelConfig.verify_async_output_proc.
    """
    return not (
        settings.flag("disable-async-output-proc")
        or settings.flag("enforce-eager")
        or (settings.integer("pipeline-parallel-size") or 1) > 1
        or speculative_method(settings) is not None
        or pools(settings, model)
    )


def pools(settings: Settings, model: Model) -> bool:
    """Whether it embeds or classifies instead of generating: asked for, or by the model's kind."""
    return settings.text("runner") == "pooling" or not traits.generates(model)


def batches_in_flight(runner: str, *, ahead: bool, pipeline_parallel: int) -> int:
    """How many batches may be scheduled and not finished.

    Source: vLLM 0.33.0 config/vllm.py::VllmConfig.max_concurrent_batches.

    >>> batches_in_flight("v2", ahead=True, pipeline_parallel=4)
    5
    """
    if ahead and runner == "v2":
        return pipeline_parallel + 1
    if ahead and pipeline_parallel <= 1:
        return 2
    return pipeline_parallel


def speculative_method(settings: Settings) -> str | None:
    """The method of speculative decoding, None without it; the many ``…_mtp`` names are ``mtp``."""
    config = settings.mapping("speculative-config")
    method = config.get("method") or settings.text("spec-method")
    if isinstance(method, str):
        return MTP_SUFFIX if method.endswith(MTP_SUFFIX) else method
    draft = config.get("model") or settings.text("spec-model", "speculative-model")
    if isinstance(draft, str):
        return "ngram" if "ngram" in draft else _method_of_draft(draft)
    return None


def speculative_tokens(settings: Settings, model: Model) -> int:
    """Draft tokens per step; where they are left out, as many as the checkpoint's own draft layers predict."""
    config = settings.mapping("speculative-config")
    count = config.get("num_speculative_tokens")
    if isinstance(count, int) and not isinstance(count, bool):
        return count
    given = settings.integer("spec-tokens", "num-speculative-tokens")
    if given is not None:
        return given
    return max(1, len(model.draft)) if speculative_method(settings) else 0


def _method_of_draft(draft: str) -> str:
    """What vLLM reads off the draft model's name (config/speculative.py::SpeculativeConfig.__post_init__)."""
    name = draft.lower()
    methods = ("eagle3", "eagle", "medusa", "dflash", "dspark")
    return next((method for method in methods if method in name), "draft_model")


def _uses_v0(settings: Settings, model: Model, *, gpu: Gpu, engine: EngineVersion) -> bool:
    asked = settings.variable("VLLM_USE_V1")
    match word(engine, "runner.v1_env"):
        case "opt-in":
            return asked is not True
        case "opt-out" if asked is not None:
            return not asked
        case "none":
            return False
    if model.architecture in words(engine, "runner.v0_architectures"):
        return True
    capability = gpu.compute_capability
    reasons = {
        "old_gpu": capability is not None and capability < AMPERE,
        "kv_cache_dtype": settings.text("kv-cache-dtype") not in {None, "auto"},
        "recurrent": traits.has_state(model),
        "speculation": speculative_method(settings) not in {None, "ngram", "eagle", "eagle3"},
        "pooling": pools(settings, model),
        "encoder": traits.is_encoder(model),
    }
    return any(reasons[reason] for reason in words(engine, "runner.v0_for"))


def _takes_v2(settings: Settings, model: Model, engine: EngineVersion) -> bool:
    if _lacks_on_v2(settings, engine):
        return False
    if on(engine, "runner.v2_all"):
        return True
    if pools(settings, model) or traits.has_state(model):
        return False
    if model.architecture in words(engine, "runner.v2_architectures"):
        return on(engine, "runner.v2_quantized") or model.quantization is None
    return on(engine, "runner.v2_dense") and not traits.is_moe(model)


def _lacks_on_v2(settings: Settings, engine: EngineVersion) -> bool:
    """Whether something is asked for that runner v2 cannot do (_get_v2_model_runner_unsupported_features)."""
    pipeline = settings.integer("pipeline-parallel-size") or 1
    if settings.text("distributed-executor-backend") == "external_launcher" and pipeline > 1:
        return True
    method = speculative_method(settings)
    if method is None or method in words(engine, "runner.v2_missing_methods"):
        return method is not None
    parallel = settings.mapping("speculative-config").get("parallel_drafting")
    return bool(parallel) and method not in {"dflash", "dspark"}
