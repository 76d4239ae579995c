"""The steady state in closed form: sums by hand, and beside the replay that it stands in for."""

from __future__ import annotations

from dataclasses import replace
from math import exp
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from llmtune.calc.closed_form import Forecast, forecast, waiting_steps
from llmtune.calc.errors import Refused
from llmtune.calc.objective import EQUAL, Goal, default_objective, gain, log_chance, log_met, misses
from llmtune.calc.simulation import Server, simulate
from llmtune.calc.step_time import CacheCosts, SendCosts, StepCosts, Way
from llmtune.spec.coefficients import Coefficients
from llmtune.spec.performance import Load
from llmtune.spec.scenario import Targets, Tokens

COSTS = StepCosts(
    dense=(),
    head=(),
    experts=(),
    caches=(CacheCosts(5e-8, 1e-10),),
    state=0.0,
    sends=(SendCosts(Way(0.0, 2.5e-5), Way(0.0, 2.5e-5), Way(0.0, 2.5e-5), 0.0),),
    host_step=0.010,
    host_request=1e-5,
    host_launch=1e-3,
)
FLAT = replace(COSTS, caches=(), sends=(), host_request=0.0, host_launch=0.0)


def server(costs: StepCosts = COSTS, **changes: Any) -> Server:
    plain = Server(
        costs=costs,
        max_num_seqs=256,
        max_num_batched_tokens=4096,
        max_model_len=16_384,
        num_blocks=100_000,
        request_blocks=lambda tokens: -(-tokens // 16),
    )
    return replace(plain, **changes)


def load(prompt: int, output: int, **arrival: Any) -> Load:
    return Load(Tokens(prompt, prompt), Tokens(output, output), **arrival)


def test_one_client_and_steps_of_one_length() -> None:
    found = forecast(server(FLAT), load(100, 11, concurrency=1))
    assert found.ttft == pytest.approx(0.010)
    assert found.tpot == pytest.approx(0.010)
    assert found.e2e == pytest.approx(0.110)
    assert found.output_tokens_per_s == pytest.approx(100.0)


def test_slots_and_blocks_bound_what_runs() -> None:
    asked = load(1000, 100, concurrency=64)
    slots = forecast(server(max_num_seqs=8), asked)
    assert slots.running == pytest.approx(8)
    blocks = forecast(server(num_blocks=660), asked)
    assert blocks.running == pytest.approx(0.95 * 660 / 66, rel=0.02)
    free = forecast(server(), asked)
    assert free.running == pytest.approx(64)
    assert slots.ttft > 10 * free.ttft
    assert slots.tpot < free.tpot


def test_replicas_share_the_load() -> None:
    one, two = (forecast(server(replicas=n), load(500, 100, concurrency=16 * n)) for n in (1, 2))
    assert two.output_tokens_per_s == pytest.approx(2 * one.output_tokens_per_s)
    assert two.tpot == pytest.approx(one.tpot)


def test_arrivals_within_reach_keep_their_rate_and_others_pile_up() -> None:
    slow = forecast(server(), load(500, 100, rate=2.0))
    assert slow.output_tokens_per_s == pytest.approx(200)
    assert slow.running == pytest.approx(2.0 * slow.e2e, rel=0.02)
    fast = forecast(server(max_num_seqs=4), load(500, 100, rate=50.0))
    assert fast.output_tokens_per_s < 50 * 100
    assert fast.ttft > 10 * slow.ttft


def test_what_cannot_run_is_refused() -> None:
    with pytest.raises(Refused, match="maximum context length"):
        forecast(server(max_model_len=100), load(100, 10, concurrency=1))


@settings(max_examples=40, deadline=None)
@given(
    prompt=some.integers(50, 4000),
    output=some.integers(40, 600),
    concurrency=some.integers(1, 48),
    step=some.sampled_from((1024, 2048, 8192)),
)
def test_it_agrees_with_a_long_replay(prompt: int, output: int, concurrency: int, step: int) -> None:
    lengths = Tokens(prompt, round(1.3 * prompt)), Tokens(output, round(1.3 * output))
    asked = Load(*lengths, concurrency=concurrency, requests=20 * concurrency)
    one = server(max_num_batched_tokens=step)
    found, exact = forecast(one, asked), simulate(one, asked)
    assert found.tpot == pytest.approx(exact.tpot.mean, rel=0.15)
    assert found.e2e == pytest.approx(exact.e2e.mean, rel=0.15)
    assert found.output_tokens_per_s == pytest.approx(exact.output_tokens_per_s, rel=0.2)


@given(running=some.floats(1, 1000), steps=some.floats(1, 2000), service=some.floats(0.01, 50))
def test_a_queue_is_never_longer_than_all_the_others(running: float, steps: float, service: float) -> None:
    assert 0 <= waiting_steps(running, steps, service) <= service * running


def goal(objective: str = "throughput", **targets: float) -> Goal:
    return Goal(objective, Targets(**targets), load(500, 100, concurrency=8), Coefficients({}))


def test_a_target_is_met_with_a_chance() -> None:
    speed = forecast(server(FLAT), load(100, 11, concurrency=1))  # 10 ms a token
    assert log_chance(goal(), speed) == 0.0
    assert exp(log_chance(goal(tpot=0.010 / 1.03), speed)) == pytest.approx(0.5)
    near, far = (exp(log_chance(goal(tpot=target), speed)) for target in (0.0099, 0.0103))
    assert 0.5 < near < far
    assert misses(goal(tpot=0.0095, ttft=1.0), speed) == ("TPOT",)
    assert log_met(1000.0, 0.01) < log_met(1.04, 0.01) < log_met(1.02, 0.01) < log_met(1.0, 0.01) < log_met(0.5, 0.01)
    assert log_met(4.0, 0.1) - log_met(2.0, 0.1) == pytest.approx(log_met(4.0, 0.01) - log_met(2.0, 0.01))


def test_far_beyond_both_targets_every_factor_counts_alike() -> None:
    """Half the TPOT for ten times the TTFT is no bargain where neither target is met."""
    slow = Forecast(5.9, 0.126, 30.0, 130.0, 8.0)
    queued = replace(slow, ttft=56.0, tpot=0.063)
    both = goal(ttft=2.0, tpot=0.03)
    assert gain(both, (queued, 1), (slow, 1)) < -0.9
    assert log_chance(both, replace(queued, ttft=2 * 5.9)) - log_chance(both, slow) == pytest.approx(0, abs=1e-6)


def test_what_is_compared_is_worth_times_chance() -> None:
    plain = forecast(server(), load(500, 100, concurrency=8))
    busier = forecast(server(), load(500, 100, concurrency=16))
    assert gain(goal(), (busier, 1), (plain, 1)) > 0.3
    assert gain(goal(), (busier, 4), (plain, 1)) < -0.3  # of one GPU
    assert gain(goal("latency"), (busier, 1), (plain, 1)) < 0
    strict = goal(tpot=0.9 * plain.tpot)
    assert gain(strict, (busier, 1), (plain, 1)) < 0  # both miss, and this one by more
    same = replace(plain, e2e=0.8 * plain.e2e)
    assert gain(goal(), (same, 1), (plain, 1)) == pytest.approx(0.25)  # as many tokens, sooner
    assert abs(gain(goal(), (plain, 1), (plain, 1))) <= EQUAL
    assert [default_objective(aim) for aim in ("latency", "throughput", "balanced")] == [
        *("latency", "throughput", "throughput"),
    ]
