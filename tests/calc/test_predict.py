"""Predictions: intervals, scaling by measured factors, and what a server of the replay is made of."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from llmtune.calc.errors import Refused
from llmtune.calc.memory import estimate_memory
from llmtune.calc.predict import Factors, describe_server, finish, scale_costs, with_intervals
from llmtune.calc.resolve import resolve
from llmtune.calc.shares import Site
from llmtune.calc.simulation import simulate
from llmtune.calc.step_time import Batch, step_seconds
from llmtune.calc.timing import find_factors, fit_factors, same_steps
from llmtune.catalog import engines, gpus
from llmtune.catalog.coefficients import load_coefficients
from llmtune.cli.loading import load_model
from llmtune.spec.calibration import Figures, Record, Timing
from llmtune.spec.coefficients import Coefficient, Coefficients
from llmtune.spec.deployment import Deployment, Setting, Value
from llmtune.spec.hardware import Hardware
from llmtune.spec.performance import Load, Performance, Spread
from llmtune.spec.scenario import Tokens

if TYPE_CHECKING:
    from llmtune.spec.memory import Memory

LOAD = Load(Tokens(1000, 1000), Tokens(100, 100), concurrency=8, requests=64)
EVEN = Spread(1.0, 1.0, 1.0, 1.0)
FOUND = Performance(EVEN, EVEN, EVEN, EVEN, 100.0, 600.0, 1.0, 4.0, 0.5, 0, "weights")


def site_of(release: str = "0.33.0", gpus_: int = 1, **settings: Value) -> Site:
    model = load_model("Qwen/Qwen3-8B", offline=True)
    hardware = Hardware(gpus.find("h100"), gpus_)
    engine = engines.find(release)
    wanted = {"max-model-len": 8192} | {flag.replace("_", "-"): value for flag, value in settings.items()}
    deployment = Deployment(model.id, tuple(Setting(flag, value) for flag, value in wanted.items()), {}, release)
    return Site(deployment, model, resolve(deployment, model, hardware, engine), hardware, engine)


def predict(
    site: Site, memory: Memory, load: Load, coefficients: Coefficients, *, factors: Factors | None = None
) -> Performance:
    found = simulate(describe_server(site, memory, coefficients, factors=factors), load)
    return finish(found, site, coefficients, factors=factors)


def memory_of(site: Site) -> Memory:
    return estimate_memory(site.deployment, site.model, site.resolved, site.hardware, site.engine)


def test_an_interval_is_the_mean_over_and_times_one_and_the_error() -> None:
    errors = {"relative_error": 0.25, "relative_error/tpot": 0.1}
    coefficients = Coefficients({name: Coefficient(value, "share", value, value, "") for name, value in errors.items()})
    interval = with_intervals(FOUND, coefficients).interval
    assert interval["ttft_s"] == pytest.approx((0.8, 1.25))
    assert interval["tpot_s"] == pytest.approx((1 / 1.1, 1.1))
    assert interval["output_tokens_per_s"] == pytest.approx((80, 125))
    assert set(interval) == {
        *("ttft_s", "tpot_s", "itl_s", "e2e_s"),
        *("output_tokens_per_s", "total_tokens_per_s", "requests_per_s"),
    }
    assert with_intervals(FOUND, Coefficients({})).interval == {}


def test_a_server_has_the_plans_blocks_and_the_settings_limits() -> None:
    site = site_of(max_num_seqs=17, max_num_batched_tokens=3000)
    memory = memory_of(site)
    server = describe_server(site, memory, load_coefficients())
    assert memory.kv is not None
    assert server.num_blocks == memory.kv.num_blocks
    assert (server.max_num_seqs, server.max_num_batched_tokens, server.max_model_len) == (17, 3000, 8192)
    assert server.request_blocks(160) == 10
    assert server.async_scheduling is site.resolved.async_scheduling
    assert server.reserve_full_prompt


@pytest.mark.parametrize(
    ("release", "old", "reserve"), [("0.7.3", True, True), ("0.11.0", False, False), ("0.19.0", False, True)]
)
def test_the_scheduler_is_that_of_the_release(release: str, *, old: bool, reserve: bool) -> None:
    model = load_model("Qwen/Qwen2.5-7B-Instruct", offline=True)
    hardware, engine = Hardware(gpus.find("h100"), 1), engines.find(release)
    deployment = Deployment(model.id, (Setting("max-model-len", 8192),), {}, release)
    site = Site(deployment, model, resolve(deployment, model, hardware, engine), hardware, engine)
    server = describe_server(site, memory_of(site), load_coefficients())
    assert server.old_scheduler is old
    assert server.reserve_full_prompt is reserve
    assert server.watermark == (0.01 if old else 0)


def test_a_server_that_does_not_start_has_no_performance() -> None:
    site = site_of()
    memory = replace(memory_of(site), kv=None)
    with pytest.raises(Refused):
        predict(site, memory, LOAD, load_coefficients())


def test_factors_scale_decode_and_prefill_apart() -> None:
    costs = describe_server(site_of(), memory_of(site_of()), load_coefficients()).costs
    one_token = Batch(decodes=1, context=1000)
    prompt = Batch(prefill_tokens=8192, prefills=8, pairs=4e6)
    slow_decode = scale_costs(costs, Factors(2.0, 1.0))
    assert step_seconds(slow_decode, one_token) == pytest.approx(2 * step_seconds(costs, one_token), rel=0.02)
    slow_prefill = scale_costs(costs, Factors(1.0, 2.0))
    assert step_seconds(slow_prefill, prompt) > 1.5 * step_seconds(costs, prompt)
    assert step_seconds(slow_prefill, one_token) < 1.05 * step_seconds(costs, one_token)
    both = scale_costs(costs, Factors(2.0, 2.0))  # every second of a step is one or the other
    for batch in (one_token, prompt, Batch(decodes=600, context=500), replace(prompt, prefill_tokens=16, pairs=136)):
        assert step_seconds(both, batch) == pytest.approx(2 * step_seconds(costs, batch))


def record_of(site: Site, *times: Timing) -> Record:
    from llmtune.calc.calibration import identify

    return Record("mine", "m", identify(site), 0.9, Figures(), measured="2026-11-10", times=times)


@pytest.mark.parametrize(("decode", "prefill"), [(1.3, 1.0), (0.8, 1.4), (1.1, 0.7)])
def test_factors_are_found_again_from_what_they_would_measure(decode: float, prefill: float) -> None:
    site = site_of()
    memory, coefficients = memory_of(site), load_coefficients()
    times = []
    for count in (1, 16):
        load = replace(LOAD, concurrency=count)
        found = predict(site, memory, load, coefficients, factors=Factors(decode, prefill))
        times.append(Timing(load, found.ttft.mean, found.tpot.mean))
    factors = fit_factors(record_of(site, *times), site, memory, coefficients)
    assert factors.decode == pytest.approx(decode, rel=0.05)
    assert factors.prefill == pytest.approx(prefill, rel=0.1)
    assert "mine" in factors.said
    assert "2 loads" in factors.said


def test_a_record_speaks_for_alike_steps_only() -> None:
    site = site_of()
    record = record_of(site, Timing(LOAD, 0.1, 0.01))
    coefficients = load_coefficients()
    for other, used in (
        (site_of(max_num_seqs=8), True),
        (site_of(kv_cache_dtype="fp8"), False),
        (site_of(gpus_=2, tensor_parallel_size=2), False),
        (site_of(release="0.32.0"), False),
    ):
        found = find_factors([record], other, memory_of(other), coefficients)
        assert (found is not None) is used
    assert find_factors([replace(record, times=())], site, memory_of(site), coefficients) is None
    assert same_steps(record.identity, record.identity)


def test_a_factor_stays_within_bounds() -> None:
    site = site_of()
    record = record_of(site, Timing(LOAD, 100.0, 100.0))
    factors = find_factors([record], site, memory_of(site), load_coefficients())
    assert factors is not None
    assert factors.decode <= 5
    assert math.isfinite(factors.prefill)
