"""One engine step: what its parts cost, against sums by hand."""

from __future__ import annotations

from dataclasses import replace
from math import exp
from typing import TYPE_CHECKING

import pytest

from llmtune.calc.paged_attention import rereads
from llmtune.calc.resolve import resolve
from llmtune.calc.shares import Site
from llmtune.calc.step_caches import PLAIN, SPARSE_HEADS, SPARSE_TOKENS, TRITON, cache_work
from llmtune.calc.step_costs import Rates, describe_costs, generation
from llmtune.calc.step_time import Batch, ExpertCosts, SendCosts, StepCosts, Way, step_seconds, step_time
from llmtune.calc.step_work import describe_work
from llmtune.catalog import engines, gpus
from llmtune.catalog.coefficients import load_coefficients
from llmtune.cli.loading import load_model
from llmtune.spec.deployment import Deployment, Setting, Value
from llmtune.spec.hardware import Hardware

if TYPE_CHECKING:
    from collections.abc import Mapping

NOTHING = StepCosts(
    dense=(), head=(), experts=(), caches=(), state=0.0, sends=(), host_step=0.0, host_request=0.0
)  # fmt: skip
WINDOW, NONE = "mistralai/Mistral-7B-v0.1", "Qwen/Qwen2-7B"  # 32 heads share 8; 28 share 4
HIGH = {"VLLM_FLOAT32_MATMUL_PRECISION": "high"}
PROMPT = Batch(prefill_tokens=1000, prefills=1, pairs=500_000)


def site_of(
    model_id: str,
    gpu: str = "h100",
    count: int = 1,
    release: str = "0.33.0",
    settings: dict[str, Value] | None = None,
    environment: Mapping[str, str] | None = None,
) -> Site:
    model = load_model(model_id, offline=True)
    hardware, engine = Hardware(gpus.find(gpu), count), engines.find(release)
    wanted: dict[str, Value] = {"max-model-len": 8192, "tensor-parallel-size": count, **(settings or {})}
    chosen = tuple(Setting(flag, value) for flag, value in wanted.items())
    deployment = Deployment(model.id, chosen, environment or {}, release)
    return Site(deployment, model, resolve(deployment, model, hardware, engine), hardware, engine)


def test_collectives_of_few_tokens_go_in_one_kernel_and_others_the_quicker_way() -> None:
    """In one kernel 1 ms + 10 us a token, in two stages 1.5 ms + 5 us, through NCCL 3 ms + 1 us."""
    send = SendCosts(one=Way(1e-3, 1e-5), two=Way(1.5e-3, 5e-6), ring=Way(3e-3, 1e-6), below=64)
    costs = replace(NOTHING, sends=(send,))
    assert step_seconds(costs, Batch(63)) == pytest.approx(1e-3 + 63 * 1e-5)
    assert step_seconds(costs, Batch(64)) == pytest.approx(1.5e-3 + 64 * 5e-6)
    assert step_time(costs, Batch(1000)).communication == pytest.approx(3e-3 + 1000 * 1e-6)


def test_all_reduces_move_a_token_through_the_link_twice() -> None:
    """Llama-3.3-70B over 8 GPUs: two sums a layer, 2 x 7/8 of 8192 numbers of 2 bytes each, over half of NVLink."""
    site = site_of("meta-llama/Llama-3.3-70B-Instruct", count=8)
    (send,) = describe_costs(site, load_coefficients()).sends
    value = load_coefficients().value
    moved = 2 * 80 * (2 * 7 / 8) * 8192 * 2
    assert send.ring.token == pytest.approx(moved / (450e9 * value("ring_share", "nvlink", "8", "hopper")))
    assert send.one.start == pytest.approx(2 * 80 * value("collective_seconds", "nvlink", "8", "hopper"))


@pytest.mark.parametrize(
    ("gpu", "count", "release", "settings", "tokens"),
    [
        pytest.param("h100", 8, "0.10.2", {}, 16, id="256 KB for eight"),
        pytest.param("h100", 4, "0.10.2", {}, 32, id="512 KB for four"),
        pytest.param("a100-80gb", 8, "0.33.0", {}, 16, id="norms apart"),
        pytest.param("h100", 4, "0.33.0", {}, 128, id="2 MB with norms in it"),
        pytest.param("b300", 8, "0.33.0", {}, 128, id="B300"),
        pytest.param("h100", 8, "0.33.0", {"enforce-eager": True}, 16, id="no norms in it"),
        pytest.param("h100", 2, "0.33.0", {}, 0, id="a pair"),
        pytest.param("l40s", 4, "0.33.0", {}, 0, id="PCIe"),
    ],
)
def test_messages_change_their_way_at_the_engines_own_sizes(
    gpu: str, count: int, release: str, settings: dict[str, Value], tokens: int
) -> None:
    """Of Llama-3.3-70B: 16 KB a token."""
    site = site_of("meta-llama/Llama-3.3-70B-Instruct", gpu, count, release, settings)
    (send,) = describe_costs(site, load_coefficients()).sends
    assert send.below == tokens


def test_geforce_cards_send_through_the_host_and_boards_without_a_bridge_over_pcie() -> None:
    """Over PCIe 4 two ranks send half as many bytes a second where they cannot reach each other."""
    value = load_coefficients().value
    sends = {}
    for gpu in ("rtx-4090", "l40s", "h100-pcie"):
        (sends[gpu],) = describe_costs(site_of("Qwen/Qwen3-8B", gpu=gpu, count=2), load_coefficients()).sends
    moved = 2 * 36 * (2 * 1 / 2) * 4096 * 2
    assert sends["rtx-4090"].ring.token == pytest.approx(moved / (32e9 * value("ring_share", "host", "2")))
    assert sends["l40s"].ring.token == pytest.approx(moved / (32e9 * value("ring_share", "pcie", "2")))
    assert sends["h100-pcie"].ring.token == pytest.approx(sends["l40s"].ring.token / 2)
    assert sends["rtx-4090"].ring.token > 2 * sends["l40s"].ring.token


def test_launches_show_only_beyond_the_captured_graphs_and_where_the_gpu_is_quicker() -> None:
    costs = replace(NOTHING, host_step=0.010, host_launch=0.030, graph_tokens=512, graph_prompt_tokens=512)
    assert step_seconds(costs, Batch(512)) == pytest.approx(0.010)
    assert step_seconds(costs, Batch(513)) == pytest.approx(0.030)
    assert step_seconds(costs, PROMPT) == pytest.approx(0.030)
    assert step_seconds(replace(costs, graph_prompt_tokens=2048), PROMPT) == pytest.approx(0.010)
    assert step_seconds(replace(costs, host_step=0.040), PROMPT) == pytest.approx(0.040)


@pytest.mark.parametrize(
    ("settings", "release", "tokens", "prompt_tokens"),
    [
        ({}, "0.33.0", 512, 512),
        ({"max-cudagraph-capture-size": 2048}, "0.33.0", 2048, 2048),
        ({"compilation-config": {"cudagraph_mode": "FULL_DECODE_ONLY"}}, "0.33.0", 512, 0),
        ({"enforce-eager": True}, "0.33.0", 0, 0),
        ({}, "0.6.0", 256, 0),
    ],
)
def test_graphs_cover_what_the_engine_captures(
    settings: dict[str, Value], release: str, tokens: int, prompt_tokens: int
) -> None:
    costs = describe_costs(
        site_of("meta-llama/Llama-3.1-8B-Instruct", release=release, settings=settings), load_coefficients()
    )
    assert (costs.graph_tokens, costs.graph_prompt_tokens) == (tokens, prompt_tokens)


def test_activations_are_split_as_their_matrices_are() -> None:
    """Llama-3.1-8B: qkv and gate_up are split by outputs, o and down by inputs."""
    one = describe_work(site_of("meta-llama/Llama-3.1-8B-Instruct"))
    four = describe_work(site_of("meta-llama/Llama-3.1-8B-Instruct", count=4))
    split, whole = 6144 + 4096 + 28_672 + 14_336, 4 * 4096
    assert one.activations == 32 * 2 * (split + whole)
    assert four.activations == 32 * 2 * (split / 4 + whole)


def test_sparse_attention_computes_its_window_for_every_token() -> None:
    site = site_of("deepseek-ai/DeepSeek-V3.2", "h200", 8)
    latent = next(work for work in cache_work(site) if work.whole)
    index = next(work for work in cache_work(site) if not work.whole)
    assert latent.window == SPARSE_TOKENS
    assert latent.prefill_flops == 61 * 2 * SPARSE_HEADS * (2 * 512 + 64)  # 16 heads a rank, in a tile of 64
    assert index.prefill_flops == 61 * 2 * 64 * 128 / 2  # 64 index heads of 128 on every rank, 8-bit
    costs = describe_costs(site, load_coefficients())
    rates = Rates(site.hardware, generation(site), load_coefficients())
    seconds = SPARSE_TOKENS * latent.prefill_flops / rates.flops("attention_flops_share", PLAIN)
    dense = describe_costs(site_of("deepseek-ai/DeepSeek-R1", "h200", 8), load_coefficients())
    assert costs.token > seconds > 10 * dense.token


def test_attention_with_sinks_runs_on_triton_before_hopper() -> None:
    kernels = {
        gpu: {work.kernel for work in cache_work(site_of("openai/gpt-oss-20b", gpu))} for gpu in ("a100", "h100")
    }
    assert kernels == {"a100": {TRITON}, "h100": {PLAIN}}


def test_v0_lists_the_blocks_of_every_request_in_every_step() -> None:
    new, old = (site_of("meta-llama/Llama-3.1-8B-Instruct", release=release) for release in ("0.33.0", "0.6.0"))
    listed = load_coefficients().value("listed_token_seconds")
    assert [len(describe_costs(site, load_coefficients()).caches) for site in (new, old)] == [1, 2]
    assert describe_costs(old, load_coefficients()).caches[-1].read == listed


def test_prompts_cost_more_where_decoding_is_one_graph() -> None:
    """0.8.5 runs every step in pieces, newer releases only those with prompts."""
    per_prompts = load_coefficients().value("prompts_seconds")
    eager: dict[str, Value] = {"enforce-eager": True}
    whole: dict[str, Value] = {"compilation-config": {"cudagraph_mode": "FULL"}}
    sites = (
        site_of("Qwen/Qwen3-8B"),
        site_of("meta-llama/Llama-3.1-8B-Instruct", release="0.6.0"),
        site_of("Qwen/Qwen3-8B", settings=eager),
        site_of("Qwen/Qwen3-8B", release="0.8.5"),
        site_of("Qwen/Qwen3-8B", settings=whole),
    )
    costs = [describe_costs(site, load_coefficients()).host_prompts for site in sites]
    assert costs == [per_prompts, per_prompts, 0.0, 0.0, 0.0]


def v0_site(model_id: str, gpu: str, release: str, settings: dict[str, Value] | None = None, count: int = 1) -> Site:
    """In 16 bit, which GPUs before Ampere have too."""
    return site_of(model_id, gpu, count, release, {"dtype": "float16", **(settings or {})})


@pytest.mark.parametrize(
    ("model_id", "gpu", "release", "expected"),
    [
        (WINDOW, "h100", "0.6.0", (3.0, 16.0)),
        (WINDOW, "h100", "0.6.3.post1", (3.0, 16.0)),
        (WINDOW, "h100", "0.6.4", (0.0, 0.0)),  # FlashAttention takes windows
        (NONE, "h100", "0.6.0", (0.0, 0.0)),
        (NONE, "v100-sxm2-32gb", "0.6.6", (6.0, 512 / 28)),  # before Ampere there is no FlashAttention 2
        (NONE, "mi300x", "0.6.1", (6.0, 512 / 28)),
        (NONE, "mi300x", "0.6.2", (0.0, 0.0)),  # ROCm's own kernel
        (WINDOW, "h100", "0.33.0", (0.0, 0.0)),
    ],
)
def test_who_reads_again(model_id: str, gpu: str, release: str, expected: tuple[float, float]) -> None:
    site = v0_site(model_id, gpu, release)
    (cache,) = {cache for group in site.model.groups for cache in group.caches}
    assert rereads(cache, site) == pytest.approx(expected)


def test_float32_has_no_flash_attention_either() -> None:
    site = v0_site(NONE, "h100", "0.6.0", {"dtype": "float32"})
    (cache,) = {cache for group in site.model.groups for cache in group.caches}
    assert rereads(cache, site)[0] == 6


@pytest.mark.parametrize(
    ("gpu", "release", "times"),
    [("l4", "0.6.6", 6.0), ("h100", "0.6.6", 6.0), ("h100", "0.8.2", 0.0), ("l4", "0.8.2", 6.0)],
)
def test_8_bit_caches_wait_for_flash_attention_3(gpu: str, release: str, times: float) -> None:
    """0.8.2 falls back to V0 for them; Hopper has FlashAttention 3."""
    site = v0_site(NONE, gpu, release, {"kv-cache-dtype": "fp8"})
    site = replace(site, resolved=replace(site.resolved, runner="v0"))
    (cache,) = {cache for group in site.model.groups for cache in group.caches}
    assert rereads(cache, site)[0] == times


def test_a_rank_with_a_whole_kv_head_reads_it_for_fewer_heads() -> None:
    """Qwen2-7B has 28 heads for 4 of the KV cache: over 7 ranks 4 heads share one whole KV head."""
    site = v0_site(NONE, "v100-sxm2-32gb", "0.6.6", count=7)
    (cache,) = {cache for group in site.model.groups for cache in group.caches}
    assert rereads(cache, site) == pytest.approx((3.0, 128.0))


def test_more_than_512_heads_read_for_themselves() -> None:
    """As many heads as a rank has: two ranks take twice as many requests. The multiprocessors then decide."""
    rate = 132 * load_coefficients().value("processor_bandwidth", "paged", "hopper")
    for count, most in ((1, 16), (2, 32)):
        site = v0_site(WINDOW, "h100", "0.6.0", count=count)
        costs = describe_costs(site, load_coefficients())
        costs = replace(costs, caches=costs.caches[:1])  # without the list of blocks
        few, many = (step_time(costs, Batch(requests, 1000)).kv_cache / requests for requests in (most, most + 1))
        assert many == pytest.approx(1000 * 4 * describe_work(site).caches[0].bytes / rate)
        assert few < many / 2


@pytest.mark.parametrize("settings", [{"enforce-eager": True}, {"disable-async-output-proc": True}])
def test_v0_processes_outputs_after_the_step_where_it_cannot_meanwhile(settings: dict[str, Value]) -> None:
    """0.6.6: tokens become text while the GPU works, but not so; later engines have a process for it."""
    value = load_coefficients().value
    plain, late = (
        describe_costs(site_of(NONE, release="0.6.6", settings=one), load_coefficients()) for one in ({}, settings)
    )
    assert late.host_step - plain.host_step == pytest.approx(value("outputs_seconds"))
    assert late.host_request - plain.host_request == pytest.approx(value("outputs_request_seconds"))
    newer = [
        describe_costs(site_of(NONE, release="0.10.0", settings=one), load_coefficients()) for one in ({}, settings)
    ]
    assert newer[0].host_step == newer[1].host_step


@pytest.mark.parametrize(
    ("gpu", "count", "release", "settings", "fused"),
    [
        ("h100", 2, "0.33.0", {}, True),
        ("h100", 1, "0.33.0", {}, False),
        ("h100", 2, "0.16.0", {}, False),
        ("h100", 2, "0.16.0", {"compilation-config": {"pass_config": {"fuse_allreduce_rms": True}}}, True),
        ("b200", 2, "0.10.2", {"compilation-config": {"pass_config": {"enable_fi_allreduce_fusion": True}}}, True),
        ("h100", 2, "0.33.0", {"compilation-config": {"pass_config": {"fuse_allreduce_rms": False}}}, False),
        ("h100", 2, "0.33.0", {"enforce-eager": True}, False),
        ("h100", 2, "0.33.0", {"optimization-level": 1}, False),
        ("h100", 2, "0.33.0", {"compilation-config": {"mode": 0}}, False),
        ("h100", 2, "0.33.0", {"compilation-config": {"mode": 3}}, True),
        ("a100-80gb", 2, "0.33.0", {}, False),
        ("b300", 2, "0.18.0", {}, False),
        ("b300", 2, "0.19.0", {}, True),
        ("h100", 2, "0.20.0", {"data-parallel-size": 2}, False),
        ("h100", 2, "0.21.0", {"data-parallel-size": 2}, True),
    ],
)
def test_norms_are_part_of_an_all_reduce_where_the_release_fuses_them(
    gpu: str, count: int, release: str, settings: dict[str, Value], *, fused: bool
) -> None:
    """Qwen2-7B has 28 layers with two norms behind a sum each."""
    site = site_of(NONE, gpu, 4, release, {**settings, "tensor-parallel-size": count})
    work = describe_work(site)
    assert (site.resolved.fuses_norms, work.fused_norms) == (fused, 2 * 28 * fused)


def test_what_is_fused_takes_no_time_of_its_own() -> None:
    value = load_coefficients().value
    off: dict[str, Value] = {"compilation-config": {"pass_config": {"fuse_allreduce_rms": False}}}
    fused, apart = (describe_costs(site_of(NONE, count=2, settings=one), load_coefficients()) for one in ({}, off))
    assert apart.host_step - fused.host_step == pytest.approx(2 * 28 * value("fused_norm_gain"))


@pytest.mark.parametrize(
    ("gpu", "release", "asked", "kernel"),
    [
        ("h100", "0.10.1", {}, "marlin"),
        ("h100", "0.11.0", {}, "mxfp4-strided"),
        ("h100", "0.11.1", {}, "mxfp4"),
        ("h100", "0.18.0", {"VLLM_MXFP4_USE_MARLIN": "1"}, "marlin"),
        ("h100", "0.33.0", {"VLLM_MXFP4_USE_MARLIN": "1"}, "mxfp4"),
        ("h100", "0.18.0", {"moe-backend": "marlin"}, "mxfp4"),
        ("h100", "0.19.0", {"moe-backend": "marlin"}, "marlin"),
        ("h100", "0.19.0", {"moe-backend": "triton", "VLLM_MXFP4_USE_MARLIN": "1"}, "mxfp4"),
        ("h100", "0.33.0", {"moe-backend": "marlin"}, "marlin"),
        ("b300", "0.11.0", {}, "mxfp4"),
        ("b200", "0.15.1", {}, "mxfp4"),
        ("b200", "0.15.1", {"VLLM_USE_FLASHINFER_MOE_MXFP4_MXFP8": "1"}, "mxfp4-fp8"),
        ("b200", "0.33.0", {"moe-backend": "flashinfer_trtllm_afp8"}, "mxfp4-fp8"),
        ("a100-80gb", "0.33.0", {}, "marlin"),
        ("l40s", "0.33.0", {}, "marlin"),
        ("mi300x", "0.33.0", {}, "mxfp4"),
    ],
)
def test_the_library_that_runs_mxfp4_experts(gpu: str, release: str, asked: dict[str, str], kernel: str) -> None:
    assert experts_of("openai/gpt-oss-20b", gpu, release, asked) == kernel


@pytest.mark.parametrize(
    ("gpu", "release", "asked", "kernel"),
    [
        ("h200", "0.14.1", {}, "fp8-block"),
        ("h200", "0.16.0", {}, "fp8-block-cutlass"),
        ("h200", "0.17.0", {}, "fp8-block"),
        ("h200", "0.17.0", {"enable-expert-parallel": True}, "fp8-block-cutlass"),
        ("h200", "0.33.0", {"enable-expert-parallel": True}, "fp8-block-cutlass"),
        ("h200", "0.17.0", {"enable-expert-parallel": True, "VLLM_USE_FLASHINFER_MOE_FP8": "0"}, "fp8-block"),
        ("h200", "0.33.0", {"enable-expert-parallel": True, "moe-backend": "triton"}, "fp8-block"),
        ("h200", "0.17.0", {"moe-backend": "flashinfer-cutlass"}, "fp8-block-cutlass"),
        ("h200", "0.33.0", {"moe-backend": "deep_gemm"}, "fp8-block"),
        ("b200", "0.19.0", {"moe-backend": "triton"}, "fp8-block-triton"),
        ("b200", "0.19.0", {}, "fp8-block"),
        ("b200", "0.17.0", {"VLLM_USE_FLASHINFER_MOE_FP8": "0"}, "fp8-block-triton"),
    ],
)
def test_the_library_that_runs_experts_in_blocks(gpu: str, release: str, asked: dict[str, Value], kernel: str) -> None:
    assert experts_of("MiniMaxAI/MiniMax-M2.5", gpu, release, asked, count=4) == kernel


@pytest.mark.parametrize("asked", [{}, {"moe-backend": "marlin"}, {"moe-backend": "triton"}])
def test_int4_experts_run_marlin(asked: dict[str, Value]) -> None:
    assert experts_of("moonshotai/Kimi-K2.5", "h200", "0.33.0", asked, count=8) == "marlin"


def experts_of(model_id: str, gpu: str, release: str, asked: Mapping[str, Value], count: int = 1) -> str:
    """The kernel class of the experts; what is written in capitals is a variable."""
    variables = {name: str(value) for name, value in asked.items() if name.isupper()}
    settings = {name: value for name, value in asked.items() if not name.isupper()}
    (work,) = describe_work(site_of(model_id, gpu, count, release, settings, variables)).experts
    return work.kernel


def test_experts_are_visited_unevenly() -> None:
    """4 of 128 experts a token: 32 tokens visit each once on average, and with shape 1 half of them not at all."""
    costs = replace(NOTHING, experts=(ExpertCosts(read=1.0, compute=0.0, share=4 / 128),))
    assert step_seconds(costs, Batch(32)) == pytest.approx(1 - 1 / 2)
    assert step_seconds(replace(costs, evenness=2.0), Batch(32)) == pytest.approx(1 - 1 / 1.5**2)
    assert step_seconds(replace(costs, evenness=1e9), Batch(32)) == pytest.approx(1 - exp(-1), rel=1e-6)


def test_flashinfers_experts_cost_by_their_number() -> None:
    """MiniMax-M2.5 on H200: 0.16.0 takes FlashInfer's kernels also for slices of all 256 experts, 0.17.0 Triton's."""
    value = load_coefficients().value
    each = value("expert_each_seconds", "fp8-block-cutlass", "hopper")
    fixed = [value("expert_layer_seconds", f"fp8-block{name}", "hopper") for name in ("-cutlass", "")]
    old, new = (
        describe_costs(site_of("MiniMaxAI/MiniMax-M2.5", "h200", 4, release), load_coefficients()).host_step
        for release in ("0.16.0", "0.17.0")
    )
    norms = 62 * 2 * value("fused_norm_gain")  # part of the all-reduce from 0.17.0 on
    small = 256 * value("expert_each_seconds")
    assert old - new == pytest.approx(62 * (fixed[0] - fixed[1] + 256 * each - small) + norms)


def test_routers_in_32_bit_have_no_tensor_cores_unless_asked_for() -> None:
    plain, rounded = (
        describe_work(site_of("MiniMaxAI/MiniMax-M2.5", "b200", 4, "0.19.0", environment=asked))
        for asked in (None, HIGH)
    )
    router = next(part for part in plain.dense if part.kernel == "fp32")
    assert (router.calls, router.flops) == (62, 62 * 2 * 3072 * 256)
    assert not any(part.kernel == "fp32" for part in rounded.dense)
    assert sum(part.bytes for part in plain.dense) == sum(part.bytes for part in rounded.dense)
    turing = describe_work(site_of("MiniMaxAI/MiniMax-M2.5", "t4", environment=HIGH))
    assert any(part.kernel == "fp32" for part in turing.dense)


def test_a_faster_memory_does_not_help_kernels_that_the_multiprocessors_limit() -> None:
    """MXFP4 experts: H200 has the multiprocessors of H100. Weights in 16 bit follow the memory."""
    seconds = {}
    for gpu in ("h100", "h200"):
        costs = describe_costs(site_of("openai/gpt-oss-20b", gpu), load_coefficients())
        seconds[gpu] = costs.experts[0].read, costs.dense[0].read
    assert seconds["h100"][0] / seconds["h200"][0] < 1.1
    assert seconds["h100"][1] / seconds["h200"][1] == pytest.approx(4.8 / 3.35, rel=0.01)


def test_a_norm_over_all_heads_sums_in_its_middle() -> None:
    """MiniMax-M2: four norms a layer, those of queries and keys in two kernels each on several ranks."""
    one, four = (describe_work(site_of("MiniMaxAI/MiniMax-M2.5", "h200", count)) for count in (1, 4))
    assert (one.norms, one.collectives) == (62 * 4, 0)
    assert (four.norms, four.collectives) == (62 * 6, 62 * 3)
