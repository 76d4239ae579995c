"""V0's own attention kernels: who decodes with them, and what they read again."""

from __future__ import annotations

from dataclasses import replace

import pytest

from llmtune.calc.paged_attention import rereads
from llmtune.calc.resolve import resolve
from llmtune.calc.shares import Site
from llmtune.calc.step_costs import describe_costs
from llmtune.calc.step_time import Batch, step_time
from llmtune.catalog import engines, gpus
from llmtune.catalog.coefficients import load_coefficients
from llmtune.cli.loading import load_model
from llmtune.spec.deployment import Deployment, Setting, Value
from llmtune.spec.hardware import Hardware

WINDOW, NONE = "mistralai/Mistral-7B-v0.1", "Qwen/Qwen2-7B"  # 32 heads share 8; 28 share 4


def site_of(
    model_id: str, gpu: str, release: str, count: int = 1, dtype: Value = "float16", kv: Value = "auto"
) -> Site:
    model, hardware, engine = load_model(model_id, offline=True), Hardware(gpus.find(gpu), count), engines.find(release)
    wanted: dict[str, Value] = {
        "tensor-parallel-size": count,
        "dtype": dtype,
        "kv-cache-dtype": kv,
        "max-model-len": 4096,
    }
    settings = tuple(Setting(flag, value) for flag, value in wanted.items())
    deployment = Deployment(model.id, settings, {}, release)
    return Site(deployment, model, resolve(deployment, model, hardware, engine), hardware, engine)


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
    site = site_of(model_id, gpu, release)
    (cache,) = {cache for group in site.model.groups for cache in group.caches}
    assert rereads(cache, site) == pytest.approx(expected)


def test_float32_has_no_flash_attention_either() -> None:
    site = site_of(NONE, "h100", "0.6.0", dtype="float32")
    (cache,) = {cache for group in site.model.groups for cache in group.caches}
    assert rereads(cache, site)[0] == 6


@pytest.mark.parametrize(
    ("gpu", "release", "times"),
    [("l4", "0.6.6", 6.0), ("h100", "0.6.6", 6.0), ("h100", "0.8.2", 0.0), ("l4", "0.8.2", 6.0)],
)
def test_8_bit_caches_wait_for_flash_attention_3(gpu: str, release: str, times: float) -> None:
    """0.8.2 falls back to V0 for them; Hopper has FlashAttention 3."""
    site = site_of(NONE, gpu, release, kv="fp8")
    site = replace(site, resolved=replace(site.resolved, runner="v0"))
    (cache,) = {cache for group in site.model.groups for cache in group.caches}
    assert rereads(cache, site)[0] == times


def test_a_rank_with_a_whole_kv_head_reads_it_for_fewer_heads() -> None:
    """Qwen2-7B has 28 heads for 4 of the KV cache: over 7 ranks 4 heads share one whole KV head."""
    site = site_of(NONE, "v100-sxm2-32gb", "0.6.6", count=7)
    (cache,) = {cache for group in site.model.groups for cache in group.caches}
    assert rereads(cache, site) == pytest.approx((3.0, 128.0))


def test_more_than_512_heads_read_for_themselves() -> None:
    """As many heads as a rank has: two ranks take twice as many requests."""
    value = load_coefficients().value
    again = 3 * value("kv_rereads", "hopper")
    for count, most in ((1, 16), (2, 32)):
        costs = describe_costs(site_of(WINDOW, "h100", "0.6.0", count), load_coefficients())
        costs = replace(costs, caches=costs.caches[:1])  # without the list of blocks
        few, many = (step_time(costs, Batch(requests, 1000)).kv_cache / requests for requests in (most, most + 1))
        assert many == pytest.approx(few * (1 + again))
