"""Hard rules, in the engine's words: most messages were read off vLLM 0.33.0 given the same command."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from llmtune.architectures import read_model
from llmtune.calc.resolve import resolve
from llmtune.calc.validity import check
from llmtune.catalog import engines, gpus, models
from llmtune.spec.deployment import Deployment, Setting
from llmtune.spec.hardware import Hardware

if TYPE_CHECKING:
    from llmtune.spec.deployment import Value
    from llmtune.spec.memory import Failure

QWEN, MOE, QUANTISED = "Qwen/Qwen3-8B", "Qwen/Qwen3-30B-A3B", "RedHatAI/Meta-Llama-3.1-8B-Instruct-quantized.w4a16"
GPUS_PER_NODE = 8


def judge(
    model: str,
    flags: dict[str, Value],
    *,
    gpu: str = "h100-sxm",
    release: str = "0.33.0",
    count: int = GPUS_PER_NODE,
    environment: dict[str, str] | None = None,
) -> Failure | None:
    facts = models.find(model)
    described = read_model(facts.config, facts.quantization, model_id=facts.id)
    settings = tuple(Setting(flag, value) for flag, value in flags.items())
    deployment = Deployment(model, settings, environment or {})
    hardware, engine = Hardware(gpus.find(gpu), count), engines.find(release)
    return check(deployment, described, resolve(deployment, described, hardware, engine), hardware, engine)


REFUSED: list[tuple[str, dict[str, Value], str]] = [
    (QWEN, {"max-model-len": 0}, "max_model_len must be a positive integer, got int: 0."),
    (QWEN, {"max-model-len": 50000}, "User-specified max_model_len (50000) is greater than the derived max_model_len"),
    (QWEN, {"gpu-memory-utilization": 1.2}, "gpu_memory_utilization: Input should be less than or equal to 1"),
    (QWEN, {"gpu-memory-utilization": 0.0}, "gpu_memory_utilization: Input should be greater than 0"),
    (QWEN, {"tensor-parallel-size": 3}, "Total number of attention heads (32) must be divisible by tensor parallel"),
    (QWEN, {"tensor-parallel-size": 16}, "World size (16) is larger than the number of available GPUs (8) in this"),
    (QWEN, {"pipeline-parallel-size": 40}, "World size (40) is larger than the number of available GPUs (8)"),
    (QWEN, {"tensor-parallel-size": 0}, "tensor_parallel_size: Input should be greater than or equal to 1"),
    (QWEN, {"max-num-seqs": 0}, "max_num_seqs: Input should be greater than or equal to 1"),
    (
        QWEN,
        {"max-num-seqs": 512, "max-num-batched-tokens": 256},
        "max_num_batched_tokens (256) must be greater than or equal to max_num_seqs (512).",
    ),
    (
        QWEN,
        {"max-num-batched-tokens": 2048, "enable-chunked-prefill": False},
        "max_num_batched_tokens (2048) is smaller than max_model_len (40960).",
    ),
    (QWEN, {"max-num-active-seqs": 2000}, "max_num_active_seqs (2000) cannot be greater than max_num_seqs (1024)."),
    (
        QWEN,
        {"long-prefill-token-threshold": 50000},
        "long_prefill_token_threshold (50000) cannot be greater than the max_model_len (40960).",
    ),
    (QWEN, {"enable-expert-parallel": True}, "Number of experts in the model must be greater than 0 when expert"),
    (QWEN, {"enable-eplb": True}, "enable_expert_parallel must be True to use EPLB."),
    (MOE, {"enable-eplb": True, "enable-expert-parallel": True}, "EPLB requires tensor, prefill-context, or data"),
    (
        QWEN,
        {"tensor-parallel-size": 8, "decode-context-parallel-size": 3},
        "tp_size=8 must be divisible by dcp_size=3.",
    ),
    (
        QWEN,
        {"tensor-parallel-size": 4, "decode-context-parallel-size": 2},
        "Decode context parallelism for GQA/MQA requires `--tensor-parallel-size` (4) to be greater than the model's",
    ),
    (
        QWEN,
        {"data-parallel-size": 2, "data-parallel-size-local": 4},
        "data_parallel_size_local (4) must be <= data_parallel_size (2)",
    ),
    (QWEN, {"quantization": "gguf"}, "Unknown quantization method: gguf. Must be one of ['awq', 'auto_awq', 'fp8',"),
    (QWEN, {"quantization": "awq"}, "Cannot find the config file for awq"),
    (QWEN, {"quantization": "fbgemm_fp8"}, "The quantization method fbgemm_fp8 is deprecated"),
    (
        QUANTISED,
        {"quantization": "fp8"},
        "Quantization method specified in the model config (compressed-tensors) does not match the quantization "
        "method specified in the `quantization` argument (fp8).",
    ),
    (QWEN, {"kv-cache-dtype": "float16"}, 'kv_cache_dtype="float16" is incompatible with dtype="bfloat16".'),
    (
        QWEN,
        {"compilation-config": {"cudagraph_capture_sizes": [1, 2, 4], "max_cudagraph_capture_size": 8}},
        "customized max_cudagraph_capture_size(=8) should be consistent with the max value of "
        "cudagraph_capture_sizes(=4)",
    ),
    (
        QWEN,
        {"speculative-config": {"method": "ngram", "num_speculative_tokens": 0}},
        "num_speculative_tokens: Input should be greater than 0",
    ),
    (
        QWEN,
        {
            "speculative-config": {
                "method": "ngram",
                "num_speculative_tokens": 4,
                "prompt_lookup_min": 8,
                "prompt_lookup_max": 4,
            }
        },
        "prompt_lookup_min=8 must be <= prompt_lookup_max=4",
    ),
    (QWEN, {"enable-lora": True, "max-loras": 0}, "max_loras: Input should be greater than or equal to 1"),
    (
        QWEN,
        {"enable-lora": True, "max-loras": 4, "max-cpu-loras": 2},
        "max_cpu_loras (2) must be >= max_loras (4).",
    ),
    (
        QWEN,
        {"mamba-block-size": 16, "enable-prefix-caching": False},
        "--mamba-block-size can only be set with --enable-prefix-caching",
    ),
    (QWEN, {"nnodes": 2, "tensor-parallel-size": 3}, "Invalid data-parallel launch options: `--nnodes 2` must evenly"),
    (
        QWEN,
        {"nnodes": 2, "distributed-executor-backend": "ray", "tensor-parallel-size": 8},
        "nnodes > 1 can only be set when distributed executor backend is mp, uni or external_launcher.",
    ),
    ("google/gemma-3-27b-it", {"dtype": "float16"}, "does not support float16. Reason: Numerical instability."),
    ("microsoft/phi-4", {"tensor-parallel-size": 4}, "AssertionError"),
]


@pytest.mark.parametrize(("model", "flags", "message"), REFUSED)
def test_the_engines_refusal(model: str, flags: dict[str, Value], message: str) -> None:
    failure = judge(model, flags)
    assert failure is not None
    assert message in failure.engine_message


ACCEPTED: list[tuple[str, dict[str, Value]]] = [
    (QWEN, {}),
    (QWEN, {"max-model-len": "auto"}),
    (QWEN, {"max-num-seqs": 5000}),
    (QWEN, {"max-num-batched-tokens": 100}),
    (QWEN, {"pipeline-parallel-size": 5}),
    (QWEN, {"quantization": "fp8"}),
    (QWEN, {"dtype": "float16"}),
    (MOE, {"enable-eplb": True, "enable-expert-parallel": True, "tensor-parallel-size": 4}),
    (QUANTISED, {"quantization": "compressed-tensors"}),
    ("hugging-quants/Meta-Llama-3.1-8B-Instruct-AWQ-INT4", {"quantization": "awq"}),
    ("deepseek-ai/DeepSeek-V3", {"tensor-parallel-size": 8, "decode-context-parallel-size": 8}),
    ("openai/gpt-oss-20b", {"tensor-parallel-size": 8}),
]


@pytest.mark.parametrize(("model", "flags"), ACCEPTED)
def test_what_the_engine_accepts_passes(model: str, flags: dict[str, Value]) -> None:
    assert judge(model, flags) is None


def test_too_few_gpus_have_their_own_kind() -> None:
    failure = judge(QWEN, {"tensor-parallel-size": 2}, count=1)
    assert failure is not None
    assert failure.kind == "gpus"


def test_replicas_need_their_own_gpus() -> None:
    failure = judge(QWEN, {"tensor-parallel-size": 4, "data-parallel-size": 4})
    assert failure is not None
    assert (failure.kind, failure.engine_message) == ("gpus", "RuntimeError: CUDA error: invalid device ordinal")


def test_a_longer_context_can_be_forced() -> None:
    environment = {"VLLM_ALLOW_LONG_MAX_MODEL_LEN": "1"}
    assert judge(QWEN, {"max-model-len": 50000}, environment=environment) is None


def test_bfloat16_needs_a_newer_gpu_than_a_t4() -> None:
    failure = judge(QWEN, {"dtype": "bfloat16"}, gpu="t4")
    assert failure is not None
    assert failure.engine_message.startswith("Bfloat16 is only supported on GPUs with compute capability of at least")


def test_mxfp4_needs_a_newer_gpu_than_a_t4() -> None:
    failure = judge("openai/gpt-oss-20b", {}, gpu="t4")
    assert failure is not None
    assert "Minimum capability: 80. Current capability: 75." in failure.engine_message


@pytest.mark.parametrize(("release", "known"), [("0.27.0", True), ("0.28.0", False)])
def test_bitsandbytes_is_gone_from_0_28(release: str, known: bool) -> None:  # noqa: FBT001
    failure = judge(QWEN, {"quantization": "bitsandbytes"}, release=release)
    assert (failure is None) == known


def test_old_releases_share_their_own_words() -> None:
    failure = judge(QWEN, {"gpu-memory-utilization": 1.2}, release="0.9.2")
    assert failure is not None
    assert failure.engine_message == "GPU memory utilization must be less than 1.0. Got 1.2."
