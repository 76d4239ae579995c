"""The whole plan: sums, measured start-ups, failures and how it moves."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from llmtune.architectures import read_model
from llmtune.calc.memory import estimate_memory
from llmtune.calc.resolve import resolve
from llmtune.catalog import engines, gpus, models
from llmtune.spec.deployment import Deployment, Setting
from llmtune.spec.hardware import Hardware
from llmtune.spec.memory import KvCache

if TYPE_CHECKING:
    from llmtune.spec.deployment import Value
    from llmtune.spec.memory import Memory

GIB = 2**30
LLAMA, QWEN = "meta-llama/Llama-3.1-8B-Instruct", "Qwen/Qwen3-8B"
PARTS = ["weights", "KV cache", "activations", "persistent buffers", "CUDA graphs", "non-torch", "unused"]


def plan(
    model: str,
    gpu: str = "h100-sxm",
    release: str = "0.33.0",
    *,
    total: float | None = None,
    free: float | None = None,
    **flags: Value,
) -> Memory:
    facts = models.find(model)
    described = read_model(facts.config, facts.quantization, model_id=facts.id)
    settings = tuple(Setting(flag.replace("_", "-"), value) for flag, value in flags.items())
    deployment, engine = Deployment(model, settings), engines.find(release)
    card = gpus.find(gpu)
    if total is not None:
        card = replace(card, total_memory=int(total * GIB))
    hardware = Hardware(card, 8, free_memory=None if free is None else int(free * GIB))
    resolved = resolve(deployment, described, hardware, engine)
    return estimate_memory(deployment, described, resolved, hardware, engine)


# Model, ranks, measured weights and KV cache (GiB) under 0.19.0 on an H100 of 79.19 GiB, utilization 0.95.
STARTED = [
    (LLAMA, 1, 14.99, 58.11),
    (LLAMA, 2, 7.51, 63.76),
    (LLAMA, 4, 3.77, 67.44),
    (QWEN, 1, 15.27, 57.50),
    ("Qwen/Qwen2.5-7B-Instruct", 1, 14.25, 58.53),
    ("Qwen/Qwen3-30B-A3B", 1, 56.88, 15.41),
    ("mistralai/Mistral-Small-3.1-24B-Instruct-2503", 1, 44.76, 28.19),
]


@pytest.mark.parametrize(("model", "ranks", "weights", "cache"), STARTED)
def test_measured_start_ups(model: str, ranks: int, weights: float, cache: float) -> None:
    memory = plan(
        model,
        release="0.19.0",
        total=79.19,
        max_model_len=8192,
        gpu_memory_utilization=0.95,
        tensor_parallel_size=ranks,
    )
    assert memory.part("weights").bytes / GIB == pytest.approx(weights, rel=0.01)
    assert memory.part("KV cache").bytes / GIB == pytest.approx(cache, rel=0.01)
    assert memory.kv_low <= cache * GIB <= memory.kv_high
    assert memory.fits


@pytest.mark.parametrize("release", ["0.6.6", "0.8.5", "0.10.2", "0.16.0", "0.19.0", "0.20.0", "0.27.0", "0.33.0"])
@pytest.mark.parametrize("model", [QWEN, "Qwen/Qwen3-30B-A3B", "google/gemma-3-27b-it", "deepseek-ai/DeepSeek-V3"])
def test_parts_sum_to_the_total_to_the_byte(model: str, release: str) -> None:
    memory = plan(model, release=release, tensor_parallel_size=1)
    assert sum(part.bytes for part in memory.parts) == memory.total
    if memory.failure is not None and "not supported for now" in memory.failure.engine_message:
        return
    assert [part.name for part in memory.parts] == PARTS
    assert all(part.why for part in memory.parts)
    assert all(part.low <= part.bytes <= part.high for part in memory.parts)


def test_budget_is_rounded_up_from_0_14() -> None:
    old, new = plan(QWEN, release="0.13.0", total=79.19), plan(QWEN, release="0.14.0", total=79.19)
    assert new.budget - old.budget == 1


def test_pipeline_stages_show_the_fullest_rank() -> None:
    memory = plan(LLAMA, release="0.19.0", total=79.19, pipeline_parallel_size=4, gpu_memory_utilization=0.95)
    assert memory.rank == 3  # the last stage has the output head and samples
    assert "sampling" in memory.part("activations").why


def test_asked_kv_cache_is_taken_as_it_is() -> None:
    memory = plan(LLAMA, kv_cache_memory_bytes=10 * GIB, max_model_len=8192)
    assert isinstance(memory.kv, KvCache)
    assert memory.kv.num_blocks == 5120
    assert memory.part("KV cache").bytes == 10 * GIB
    assert memory.kv_low == memory.kv_high == 10 * GIB


def test_offloaded_weights_leave_the_gpu() -> None:
    whole, offloaded = plan(LLAMA), plan(LLAMA, cpu_offload_gb=4)
    assert whole.part("weights").bytes - offloaded.part("weights").bytes == 4 * GIB
    assert "offloaded" in offloaded.part("weights").why


def test_weights_larger_than_the_gpu() -> None:
    memory = plan("deepseek-ai/DeepSeek-V3")
    assert memory.failure is not None
    assert (memory.failure.kind, memory.failure.engine_message) == (
        "weights",
        "torch.OutOfMemoryError: CUDA out of memory.",
    )
    assert memory.part("unused").bytes < 0


def test_weights_larger_than_the_budget() -> None:
    memory = plan(LLAMA, "l4", gpu_memory_utilization=0.6)
    assert memory.failure is not None
    assert memory.failure.kind == "weights"
    assert memory.failure.engine_message.startswith("No available memory for the cache blocks.")


def test_cache_too_small_for_one_request_says_what_fits() -> None:
    memory = plan(LLAMA, "l4")
    assert memory.failure is not None
    assert memory.failure.kind == "kv_cache"
    assert "To serve at least one request with the model's max seq len (131072)" in memory.failure.engine_message
    assert memory.max_model_len_that_fits is not None
    assert plan(LLAMA, "l4", max_model_len=memory.max_model_len_that_fits).fits
    assert not plan(LLAMA, "l4", max_model_len=memory.max_model_len_that_fits + 16).fits


def test_automatic_length_is_what_fits() -> None:
    memory = plan(LLAMA, "l4", max_model_len="auto")
    assert memory.fits
    assert isinstance(memory.kv, KvCache)
    assert memory.kv.max_model_len == memory.max_model_len_that_fits


def test_sampling_can_be_what_overflows() -> None:
    memory = plan(QWEN, "l4", release="0.16.0", max_num_seqs=2048, max_num_batched_tokens=2048)
    assert memory.failure is not None
    assert memory.failure.kind == "sampler"
    assert "warming up sampler with 2048 dummy requests" in memory.failure.engine_message


def test_invalid_deployments_have_no_plan() -> None:
    memory = plan(QWEN, tensor_parallel_size=3)
    assert memory.failure is not None
    assert memory.failure.kind == "invalid"
    assert memory.kv is None
    assert sum(part.bytes for part in memory.parts) == memory.total


def test_a_gpu_in_use_is_refused() -> None:
    memory = plan(QWEN, free=60)
    assert memory.failure is not None
    assert memory.failure.kind == "free_memory"
    assert "on startup is less than desired GPU memory utilization (0.92," in memory.failure.engine_message
    assert plan(QWEN, free=60, release="0.8.5").fits


def test_more_memory_never_holds_less() -> None:
    tokens = []
    for total in (40, 60, 79, 100, 140):
        memory = plan(QWEN, total=total)
        assert isinstance(memory.kv, KvCache)
        tokens.append(memory.kv.tokens)
    # At 70 GiB the defaults for T and S grow, so compare within a class.
    assert tokens[0] < tokens[1]
    assert tokens[2] < tokens[3] < tokens[4]


def test_more_ranks_never_hold_more_weights() -> None:
    sizes = [plan(LLAMA, tensor_parallel_size=ranks).part("weights").bytes for ranks in (1, 2, 4, 8)]
    assert sizes == sorted(sizes, reverse=True)


def test_later_releases_charge_the_graphs() -> None:
    old, new = plan(QWEN, release="0.19.0"), plan(QWEN, release="0.20.0", gpu_memory_utilization=0.9)
    assert old.part("KV cache").bytes - new.part("KV cache").bytes == pytest.approx(
        new.part("CUDA graphs").bytes, abs=3 * 2**20
    )
