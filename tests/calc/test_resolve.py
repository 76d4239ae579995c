"""Defaults by release, GPU and model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from llmtune.architectures import read_model
from llmtune.calc.resolve import resolve
from llmtune.catalog import UnknownName, engines, gpus, models
from llmtune.spec.deployment import Deployment, Setting
from llmtune.spec.hardware import Hardware

if TYPE_CHECKING:
    from llmtune.spec.deployment import Resolved, Value
    from llmtune.spec.model import Model


def load(name: str) -> Model:
    facts = models.find(name)
    return read_model(facts.config, facts.quantization, model_id=facts.id)


def settle(
    model: str = "Qwen/Qwen3-8B",
    gpu: str = "h100-sxm",
    release: str = "0.33.0",
    environment: dict[str, str] | None = None,
    **flags: Value,
) -> Resolved:
    settings = tuple(Setting(flag.replace("_", "-"), value) for flag, value in flags.items())
    deployment = Deployment(model, settings, environment or {})
    return resolve(deployment, load(model), Hardware(gpus.find(gpu), 8), engines.find(release))


# Release, GPU: tokens of a step (T) and requests at once (S) for a 40,960-token model under ``vllm serve``.
BATCH = [
    ("0.6.6", "h100-sxm", 2048, 256),
    ("0.7.3", "l4", 2048, 256),
    ("0.8.1", "h100-sxm", 8192, 1024),
    ("0.8.1", "a100-sxm-80gb", 2048, 1024),
    ("0.8.5", "a100-sxm-80gb", 8192, 1024),
    ("0.8.5", "l4", 2048, 256),
    ("0.9.2", "a100-sxm-80gb", 2048, 256),
    ("0.9.2", "a800-sxm-80gb", 8192, 1024),
    ("0.27.1", "b200", 8192, 1024),
    ("0.28.0", "b200", 16384, 1024),
    ("0.28.0", "h200-sxm", 8192, 1024),
    ("0.28.0", "gb10", 8192, 1024),
    ("0.33.0", "gb10", 2048, 256),
    ("0.33.0", "h100-sxm", 8192, 1024),
    ("0.33.0", "l40s", 2048, 256),
]


@pytest.mark.parametrize(("release", "gpu", "tokens", "seqs"), BATCH)
def test_batch_limits_follow_release_and_gpu(release: str, gpu: str, tokens: int, seqs: int) -> None:
    resolved = settle(gpu=gpu, release=release)
    assert (resolved.max_num_batched_tokens, resolved.max_num_seqs) == (tokens, seqs)


# Release: utilization, runner, async scheduling, prefix caching, captured sizes on an H100.
ENGINE = [
    ("0.6.6", (0.9, "v0", False, False, 35)),
    ("0.8.5", (0.9, "v1", False, True, 67)),
    ("0.10.2", (0.9, "v1", False, True, 67)),
    ("0.11.2", (0.9, "v1", False, True, 51)),
    ("0.14.1", (0.9, "v1", True, True, 51)),
    ("0.19.1", (0.9, "v1", True, True, 51)),
    ("0.20.0", (0.92, "v1", True, True, 51)),
    ("0.22.1", (0.92, "v2", True, True, 51)),
    ("0.33.0", (0.92, "v2", True, True, 51)),
]


@pytest.mark.parametrize(("release", "expected"), ENGINE)
def test_engine_defaults_follow_release(release: str, expected: tuple[float, str, bool, bool, int]) -> None:
    found = settle(release=release)
    caches = (found.async_scheduling, found.prefix_caching)
    assert (found.gpu_memory_utilization, found.runner, *caches, len(found.cudagraph_sizes)) == expected


def test_one_short_request_lowers_the_batch() -> None:
    resolved = settle(gpu="l4", max_num_seqs=1, max_model_len=1024)
    assert resolved.max_num_batched_tokens == 1024
    assert resolved.cudagraph_sizes == (1, 2)


def test_small_batch_lowers_the_requests() -> None:
    resolved = settle(max_num_batched_tokens=100)
    assert resolved.max_num_seqs == 100
    assert resolved.origins["max-num-seqs"] == "calculated"


def test_throughput_mode_doubles_what_is_not_set() -> None:
    resolved = settle(performance_mode="throughput", max_num_seqs=64)
    assert (resolved.max_num_batched_tokens, resolved.max_num_seqs) == (16384, 64)


def test_without_chunked_prefill_a_step_holds_a_whole_prompt() -> None:
    assert settle(enable_chunked_prefill=False).max_num_batched_tokens == 40960


def test_batched_expert_exchange_takes_256_tokens() -> None:
    resolved = settle(
        "Qwen/Qwen3-30B-A3B",
        enable_expert_parallel=True,
        data_parallel_size=4,
        all2all_backend="deepep_low_latency",
    )
    assert (resolved.max_num_batched_tokens, resolved.max_num_seqs) == (256, 256)


def test_pictures_that_cannot_be_cut_raise_the_batch() -> None:
    assert settle("google/gemma-4-31B-it", gpu="l4").max_num_batched_tokens == 2496
    assert settle("google/gemma-4-31B-it").max_num_batched_tokens == 8192


def test_gpt_oss_captures_up_to_1024() -> None:
    assert settle("openai/gpt-oss-20b").cudagraph_sizes[-1] == 1024


def test_graph_mode() -> None:
    assert settle().cudagraph_mode == "full_and_piecewise"
    assert settle(enforce_eager=True).cudagraph_mode == "none"
    assert settle(optimization_level=0).cudagraph_mode == "none"
    assert settle(optimization_level=1).cudagraph_mode == "piecewise"
    assert settle(compilation_config={"cudagraph_mode": "FULL"}).cudagraph_mode == "full"


def test_asked_capture_sizes_are_taken() -> None:
    config: Value = {"cudagraph_capture_sizes": [4, 1, 2]}
    assert settle(compilation_config=config).cudagraph_sizes == (1, 2, 4)


def test_draft_tokens_widen_decode_batches() -> None:
    config: Value = {"method": "ngram", "num_speculative_tokens": 2}
    resolved = settle(speculative_config=config, max_num_seqs=4)
    assert resolved.speculative_tokens == 2
    assert {3, 6, 12} <= set(resolved.cudagraph_sizes)


@pytest.mark.parametrize(("release", "prefix", "mode"), [("0.24.0", False, "none"), ("0.26.0", True, "align")])
def test_recurrent_models_cache_prefixes_from_0_26(release: str, prefix: bool, mode: str) -> None:  # noqa: FBT001
    resolved = settle("Qwen/Qwen3-Next-80B-A3B-Instruct", release=release)
    assert (resolved.prefix_caching, resolved.mamba_cache_mode) == (prefix, mode)


def test_old_gpus_get_float16_from_0_9_0_on_and_until_0_10_1_the_old_engine() -> None:
    resolved = settle("Qwen/Qwen2.5-7B-Instruct", gpu="t4", release="0.8.5", max_model_len=8192)
    assert (resolved.dtype, resolved.runner, resolved.max_num_batched_tokens) == ("bfloat16", "v0", 8192)
    assert settle("Qwen/Qwen2.5-7B-Instruct", gpu="t4", release="0.9.0").dtype == "float16"
    assert settle("Qwen/Qwen2.5-7B-Instruct", gpu="t4").runner == "v2"


@pytest.mark.parametrize(
    ("release", "environment", "runner"),
    [
        ("0.8.5", {"VLLM_USE_V1": "0"}, "v0"),
        ("0.7.3", {"VLLM_USE_V1": "1"}, "v1"),
        ("0.33.0", {"VLLM_USE_V2_MODEL_RUNNER": "0"}, "v1"),
        ("0.19.1", {"VLLM_USE_V2_MODEL_RUNNER": "1"}, "v2"),
    ],
)
def test_environment_picks_the_runner(release: str, environment: dict[str, str], runner: str) -> None:
    assert settle(release=release, environment=environment).runner == runner


def test_batches_in_flight_grow_with_pipeline_stages() -> None:
    assert settle(pipeline_parallel_size=4).max_concurrent_batches == 5
    assert settle(release="0.24.0", pipeline_parallel_size=1).max_concurrent_batches == 2
    assert settle(async_scheduling=False).max_concurrent_batches == 1


def test_automatic_length_starts_at_the_models_own() -> None:
    resolved = settle(max_model_len="auto")
    assert (resolved.max_model_len, resolved.auto_max_model_len) == (40960, True)
    assert settle(max_model_len=-1).auto_max_model_len


def test_origins_say_where_values_come_from() -> None:
    origins = settle(max_model_len=4096).origins
    assert origins["max-model-len"] == "set"
    assert origins["max-num-seqs"] == "GPU class"
    assert origins["gpu-memory-utilization"] == "engine default"


def test_no_pictures_and_no_videos_leave_the_tower_out() -> None:
    limits: Value = {"image": 0, "video": 0}
    assert settle("google/gemma-3-27b-it", limit_mm_per_prompt=limits).language_model_only
    assert not settle("google/gemma-3-27b-it", limit_mm_per_prompt={"image": 0}).language_model_only


@pytest.mark.parametrize(
    ("text", "table"),
    [
        ("0.33.0", "0.33.0"),
        ("v0.33.0", "0.33.0"),
        ("latest", engines.newest()),
        ("0.10.2rc1.dev16+g7a1eb8a", "0.10.2"),
        ("0.8.5.post1", "0.8.5"),
        ("0.11.0-cu129", "0.11.0"),
    ],
)
def test_versions_are_found_in_the_spellings_people_use(text: str, table: str) -> None:
    found = engines.find(text)
    assert found.release in {table, f"{table}.post1"}
    exact = text.removeprefix("v") == found.release or text == "latest"
    assert (found.note is None) == exact


@pytest.mark.parametrize("text", ["0.5.4", "9.0.0", "nonsense", ""])
def test_other_versions_are_refused(text: str) -> None:
    with pytest.raises(UnknownName):
        engines.find(text)


def test_a_version_without_a_table_keeps_its_own_behaviour() -> None:
    assert engines.behaviour_of("0.19.9")["default.gpu_memory_utilization"] == 0.9
    assert engines.behaviour_of("0.20.0")["default.gpu_memory_utilization"] == 0.92


@pytest.mark.parametrize(
    ("model", "release", "dtype"),
    [
        ("nvidia/Llama-3.1-8B-Instruct-FP8", "0.13.0", "auto"),
        ("nvidia/Llama-3.1-8B-Instruct-FP8", "0.14.0", "fp8_e4m3"),
        ("RedHatAI/Meta-Llama-3.1-8B-Instruct-FP8-kv", "0.14.1", "auto"),
        ("RedHatAI/Meta-Llama-3.1-8B-Instruct-FP8-kv", "0.15.0", "fp8"),
    ],
)
def test_old_releases_leave_the_kv_dtype_of_a_checkpoint_unread(model: str, release: str, dtype: str) -> None:
    assert settle(model, release=release).kv_cache_dtype == dtype
    assert settle(model, release=release, kv_cache_dtype="fp8").kv_cache_dtype == "fp8"
