"""Peaks and buffers against start-up logs (public, see benchmarks/data/startups.json) and sums by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from llmtune.architectures import read_model
from llmtune.calc.activations import Stage, activation_peak, forward, sampler
from llmtune.calc.cuda_graphs import charges_graphs, count_graphs, graph_memory
from llmtune.calc.moe_buffers import expert_workspace
from llmtune.calc.non_torch import fuses_allreduce, non_torch
from llmtune.calc.persistent import (
    absorbed_projections,
    expert_layout,
    lora_slots,
    persistent_buffers,
    rotary_tables,
    sampler_state,
)
from llmtune.catalog import engines, gpus, models
from llmtune.spec.deployment import Deployment, Resolved

if TYPE_CHECKING:
    from llmtune.spec.model import Model

GIB = 2**30
H100 = gpus.find("h100-sxm")


def load(name: str) -> Model:
    facts = models.find(name)
    return read_model(facts.config, facts.quantization, model_id=facts.id)


def settled(seqs: int = 1024, tokens: int = 8192, length: int = 8192) -> Resolved:
    sizes = (1, 2, 4, *range(8, 256, 8), *range(256, 513, 16))
    return Resolved(length, seqs, tokens, 0.95, runner="v1", cudagraph_sizes=sizes)


# Model, release, S, T: the activation peak in GiB that the log printed.
PEAKS = [
    ("meta-llama/Llama-3.1-8B-Instruct", "0.19.0", 1024, 8192, 1.89),
    ("Qwen/Qwen2.5-7B-Instruct", "0.19.0", 1024, 8192, 2.21),
    ("Qwen/Qwen3-8B", "0.19.0", 1024, 8192, 2.21),
    ("google/gemma-2-2b-it", "0.19.0", 1024, 8192, 3.62),
    ("Qwen/Qwen3-14B", "0.16.0", 1024, 8192, 5.64),
    ("Qwen/Qwen3-14B", "0.17.0", 1024, 8192, 2.23),
    ("mistralai/Mistral-Small-3.1-24B-Instruct-2503", "0.19.0", 1024, 8192, 2.03),
]


@pytest.mark.parametrize(("name", "release", "seqs", "tokens", "measured"), PEAKS)
def test_peak_is_within_two_percent_of_the_log(
    name: str, release: str, seqs: int, tokens: int, measured: float
) -> None:
    part = activation_peak(load(name), settled(seqs, tokens), gpu=H100, engine=engines.find(release))
    assert part.bytes / GIB == pytest.approx(measured, rel=0.02)
    assert part.low <= measured * GIB <= part.high


def test_forward_of_a_long_prompt() -> None:
    # Qwen2.5-7B on one V100, T 32,768: 2 x 32,768 x (4 x 3584 + 3 x 18,944) B; the log says 4.35 GiB.
    model, resolved = load("Qwen/Qwen2.5-7B-Instruct"), replace(settled(256, 32768), runner="v0")
    found = forward(model, resolved, engines.find("0.8.5"))
    assert found.bytes == 2 * 32768 * (4 * 3584 + 3 * 18944)
    assert found.bytes / GIB == pytest.approx(4.35, rel=0.01)


def test_tensor_parallelism_does_not_shrink_the_sampler() -> None:
    model, engine = load("Qwen/Qwen3-8B"), engines.find("0.33.0")
    one, eight = settled(), replace(settled(), tensor_parallel=8)
    assert sampler(model, one, gpu=H100, engine=engine) == sampler(model, eight, gpu=H100, engine=engine)
    assert forward(model, eight, engine).bytes < forward(model, one, engine).bytes


def test_only_the_last_stage_samples() -> None:
    model, engine = load("meta-llama/Llama-3.1-8B-Instruct"), engines.find("0.19.0")
    resolved = replace(settled(), pipeline_parallel=4)
    middle = activation_peak(model, resolved, gpu=H100, engine=engine, stage=Stage(1, 4))
    last = activation_peak(model, resolved, gpu=H100, engine=engine, stage=Stage(3, 4))
    assert middle.bytes / GIB == pytest.approx(1.05, rel=0.03)  # as its log says
    assert last.bytes / GIB == pytest.approx(2.01, rel=0.02)


def test_experts_keep_half_a_gibibyte_of_work_space() -> None:
    model, engine = load("Qwen/Qwen3-30B-A3B"), engines.find("0.19.0")
    assert expert_workspace(model, settled(), engine).bytes == 2 * 8192 * 8 * (2048 + 2048)
    parallel = replace(settled(), data_parallel=2, expert_parallel=True)
    assert expert_workspace(model, parallel, engine).bytes == 2 * 2 * 8192 * 8 * (2048 + 2048)


def test_sampler_state_is_charged_from_0_27() -> None:
    model, layers = load("Qwen/Qwen3-8B"), range(36)
    resolved = replace(settled(), runner="v2")
    state = sampler_state(model, resolved).bytes
    assert state == 1024 * (151936 * 4 + 2 * 151936 // 8 + 17412)
    old, new = (
        persistent_buffers(model, resolved, engines.find(name), gpu=H100, layers=layers)
        for name in ("0.26.0", "0.27.0")
    )
    assert new.charged.bytes - old.charged.bytes == state == old.uncharged.bytes
    assert sampler_state(model, settled()).bytes == 0


def test_triton_layout_of_mxfp4_experts_on_hopper() -> None:
    model, layers = load("openai/gpt-oss-120b"), range(36)
    padded = expert_layout(model, settled(), gpu=H100, layers=layers)
    assert padded.bytes == 36 * 128 * (2 * 2880 * 192 + 2880 * 192) // 2
    assert expert_layout(model, settled(), gpu=gpus.find("b200"), layers=layers).bytes == 0


def test_rotary_table_of_the_whole_context() -> None:
    assert rotary_tables(load("meta-llama/Llama-3.1-8B-Instruct"), settled()).bytes == 131072 * 128 * 2


def test_quantised_latent_attention_keeps_a_16_bit_copy() -> None:
    model, resolved = load("deepseek-ai/DeepSeek-V3"), replace(settled(), tensor_parallel=8)
    copy = absorbed_projections(model, resolved, range(61))
    assert copy.bytes == 61 * 16 * (128 + 128) * 512 * 2
    assert absorbed_projections(load("Qwen/Qwen3-8B"), settled(), range(36)).bytes == 0


def test_lora_slots_of_llama() -> None:
    # r 16, one adapter, all linear layers: about 84 MB.
    resolved = replace(settled(), max_loras=1, max_lora_rank=16)
    slots = lora_slots(load("meta-llama/Llama-3.1-8B-Instruct"), resolved, range(32))
    assert slots.bytes == pytest.approx(84e6, rel=0.02)


@pytest.mark.parametrize(("mode", "graphs"), [("none", 0), ("piecewise", 51), ("full_and_piecewise", 102)])
def test_graphs_by_mode(mode: str, graphs: int) -> None:
    assert count_graphs(replace(settled(), cudagraph_mode=mode)) == graphs


def test_graph_memory_of_a_log() -> None:
    part = graph_memory(load("Qwen/Qwen3-8B"), settled(), layers=range(36))
    assert part.bytes / GIB == pytest.approx(0.84, rel=0.1)
    eager = replace(settled(), cudagraph_mode="none", cudagraph_sizes=())
    assert graph_memory(load("Qwen/Qwen3-8B"), eager, layers=range(36)).bytes == 0


@pytest.mark.parametrize(
    ("release", "environment", "charged"),
    [
        ("0.19.0", {}, False),
        ("0.19.0", {"VLLM_MEMORY_PROFILER_ESTIMATE_CUDAGRAPHS": "1"}, True),
        ("0.20.0", {}, True),
        ("0.33.0", {"VLLM_MEMORY_PROFILER_ESTIMATE_CUDAGRAPHS": "0"}, False),
        ("0.17.0", {"VLLM_MEMORY_PROFILER_ESTIMATE_CUDAGRAPHS": "1"}, False),
    ],
)
def test_graphs_are_charged_from_0_20(release: str, environment: dict[str, str], charged: bool) -> None:  # noqa: FBT001
    assert charges_graphs(Deployment("m", environment=environment), engines.find(release)) == charged


@pytest.mark.parametrize(("ranks", "measured"), [(1, 0.25), (2, 2.07), (4, 2.13)])
def test_non_torch_memory_of_logs(ranks: int, measured: float) -> None:
    resolved = replace(settled(), tensor_parallel=ranks)
    found = non_torch(resolved, gpu=H100, engine=engines.find("0.19.0"))
    assert found.charged.bytes / GIB == pytest.approx(measured, rel=0.05)
    assert fuses_allreduce(resolved, gpu=H100, engine=engines.find("0.19.0")) == (ranks > 1)


def test_0_8_charges_everything_on_the_device() -> None:
    found = non_torch(settled(), gpu=H100, engine=engines.find("0.8.5"))
    assert found.outside.bytes == 0
    assert found.charged.bytes > non_torch(settled(), gpu=H100, engine=engines.find("0.9.2")).charged.bytes
