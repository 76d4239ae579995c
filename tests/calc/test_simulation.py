"""Simulations small enough to do by hand, and what must hold for all of them."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from llmtune.calc import simulation_clock, simulation_replay
from llmtune.calc.errors import Refused
from llmtune.calc.load import count_requests, draw_arrivals, draw_lengths, normal_quantile
from llmtune.calc.simulation import Server, simulate, trace
from llmtune.calc.step_time import Batch, CacheCosts, DenseCosts, SendCosts, StepCosts, Way, step_seconds
from llmtune.spec.performance import Load, Performance
from llmtune.spec.scenario import Tokens

if TYPE_CHECKING:
    from llmtune.calc.simulation import Trace

NOTHING = StepCosts(
    dense=(),
    head=(),
    experts=(),
    caches=(),
    state=0.0,
    sends=(),
    host_step=0.0,
    host_request=0.0,
    host_launch=0.0,
)
EVERY_10_MS = replace(NOTHING, host_step=0.010)
PER_TOKEN = replace(
    NOTHING, host_step=0.010, sends=(SendCosts(Way(0.0, 0.001), Way(0.0, 0.001), Way(0.0, 0.001), 0.0),)
)  # 10 ms a step and 1 ms a token in it
PLAUSIBLE = replace(
    NOTHING,
    dense=(DenseCosts(5e-3, 2.5e-5, 2.0),),
    caches=(CacheCosts(5e-8, 1e-10), CacheCosts(5e-8, 1e-10, window=1024)),
    host_step=3e-3,
    host_request=1e-5,
    host_launch=1e-3,
)


def server(costs: StepCosts = EVERY_10_MS, **changes: Any) -> Server:
    plain = Server(
        costs=costs,
        max_num_seqs=100,
        max_num_batched_tokens=1000,
        max_model_len=10_000,
        num_blocks=10_000,
        request_blocks=lambda tokens: -(-tokens // 16),
    )
    return replace(plain, **changes)


def load(prompt: int, output: int, **arrival: Any) -> Load:
    return Load(Tokens(prompt, prompt), Tokens(output, output), **arrival)


def means(found: Performance) -> tuple[float, float, float, float]:
    return found.ttft.mean, found.tpot.mean, found.itl.mean, found.e2e.mean


def test_one_request() -> None:
    found = simulate(server(), load(100, 11, concurrency=1, requests=2))
    assert means(found) == pytest.approx((0.010, 0.010, 0.010, 0.110))
    assert found.duration == pytest.approx(0.22)
    assert found.output_tokens_per_s == pytest.approx(100)
    assert found.total_tokens_per_s == pytest.approx(2 * 111 / 0.22)
    assert found.requests_per_s == pytest.approx(2 / 0.22)
    assert found.running_mean == pytest.approx(1.0)
    assert found.kv_use_max == pytest.approx(
        7 / 10_000
    )  # 110 tokens have a place in the cache, the last one needs none
    assert found.preemptions == 0
    assert found.bound_by == "host"


def test_first_token_takes_the_prefill_and_further_ones_a_decode_step() -> None:
    found = simulate(server(PER_TOKEN), load(100, 3, offline=True, requests=1))
    assert found.ttft.mean == pytest.approx(0.110)
    assert found.tpot.mean == pytest.approx(0.011)


def test_one_output_token_has_no_tpot() -> None:
    found = simulate(server(PER_TOKEN), load(100, 1, offline=True, requests=3))
    assert found.ttft == found.e2e
    assert found.tpot.mean == found.itl.mean == 0.0


def test_a_long_prompt_is_cut_into_chunks_that_decodes_wait_for() -> None:
    """A budget of 100: the first prompt and 40 of the second; then one decode and 20 tokens; then two decodes."""
    found = simulate(server(PER_TOKEN, max_num_batched_tokens=100), load(60, 3, offline=True, requests=2))
    first, second = 0.010 + 0.100, 0.010 + 0.021
    both, last = 0.012, 0.011
    assert found.ttft.p50 == pytest.approx(first + second / 2)
    assert found.e2e.p50 == pytest.approx((first + second + both + (first + second + both + last)) / 2)
    assert found.itl.mean == pytest.approx((second + both + both + last) / 4)
    assert found.itl.p99 == pytest.approx(both)


def test_without_chunks_a_prompt_waits_until_it_fits() -> None:
    found = simulate(
        server(PER_TOKEN, max_num_batched_tokens=100, chunked_prefill=False), load(60, 3, offline=True, requests=2)
    )
    assert found.ttft.p50 == pytest.approx(0.070 + (0.010 + 0.061) / 2)


def test_v0_gives_steps_to_prompts_alone() -> None:
    old = server(PER_TOKEN, max_num_batched_tokens=100, chunked_prefill=False, old_scheduler=True)
    found = simulate(old, load(60, 3, offline=True, requests=2))
    assert found.ttft.p50 == pytest.approx(0.070 + 0.070 / 2)
    assert found.itl.mean == pytest.approx((0.070 + 0.012 + 0.012 + 2 * 0.012) / 4)
    assert found.e2e.mean == pytest.approx(2 * 0.070 + 2 * 0.012)


def test_one_slot_serves_one_after_the_other() -> None:
    found = simulate(server(max_num_seqs=1), load(100, 11, offline=True, requests=3))
    assert found.ttft.p50 == pytest.approx(0.120)
    assert found.ttft.mean == pytest.approx((0.010 + 0.120 + 0.230) / 3)
    assert found.running_mean == pytest.approx(1.0)


def test_an_asynchronous_scheduler_fills_a_slot_one_step_later() -> None:
    ahead = server(max_num_seqs=2, async_scheduling=True)
    found = simulate(ahead, replace(load(100, 11, concurrency=2, requests=4), output=Tokens(11, 11)))
    assert found.e2e.mean == pytest.approx(
        0.110
    )  # both end at once: nothing runs, and nothing has been scheduled ahead
    busy = simulate(replace(ahead, max_num_batched_tokens=100), load(100, 11, concurrency=2, requests=4))
    prompt = simulate(
        replace(ahead, max_num_batched_tokens=100, async_scheduling=False), load(100, 11, concurrency=2, requests=4)
    )
    assert busy.ttft.mean > prompt.ttft.mean + 0.004


def test_the_request_admitted_last_is_preempted_and_computes_its_tokens_again() -> None:
    """Two requests have 4 blocks of 16 tokens. Their 33rd tokens do not fit, so the second waits for the first.

    It had 17 tokens after 17 steps. The first has its 20 after 20, then the second goes on: its gap is 4 steps long.
    """
    short = server(num_blocks=4, prefix_caching=False)
    found = simulate(short, load(16, 20, offline=True, requests=2))
    assert found.preemptions == 1
    assert found.kv_use_max == 1.0
    assert found.ttft.mean == pytest.approx(0.010)
    assert found.e2e.mean == pytest.approx((0.200 + 0.230) / 2)
    assert found.itl.mean == pytest.approx((19 * 0.010 + 18 * 0.010 + 0.040) / 38)


def test_more_blocks_save_the_preemption() -> None:
    assert simulate(server(num_blocks=6), load(16, 20, offline=True, requests=2)).preemptions == 0


def test_cached_prefixes_are_whole_blocks_and_never_the_whole_prompt() -> None:
    free = simulate(server(PER_TOKEN), load(160, 2, offline=True, requests=1, prefix_hit=1.0))
    assert free.ttft.mean == pytest.approx(0.010 + 0.016)
    some_of_it = simulate(server(PER_TOKEN), load(160, 2, offline=True, requests=1, prefix_hit=0.39))
    assert some_of_it.ttft.mean == pytest.approx(0.010 + 0.112)
    off = simulate(server(PER_TOKEN, prefix_caching=False), load(160, 2, offline=True, requests=1, prefix_hit=0.5))
    assert off.ttft.mean == pytest.approx(0.170)


def test_accepted_draft_tokens_shorten_the_run() -> None:
    found = simulate(
        server(replace(EVERY_10_MS, decode_tokens=4.0), draft_tokens=3, accepted_tokens=1.0),
        load(100, 11, concurrency=1, requests=1),
    )
    assert found.e2e.mean == pytest.approx(0.060)
    assert found.tpot.mean == pytest.approx(0.005)
    assert found.itl.mean == pytest.approx(0.010)  # between two messages of the stream, each with two tokens


def test_rare_arrivals_do_not_queue() -> None:
    found = simulate(server(), load(100, 11, rate=0.5, requests=50))
    assert found.ttft.mean == pytest.approx(0.010, rel=0.05)
    assert found.bound_by == "arrivals"
    assert found.requests_per_s == pytest.approx(0.5, rel=0.05)


def test_arrivals_above_capacity_queue() -> None:
    slow = server(max_num_seqs=1)
    found = simulate(slow, load(100, 11, rate=100.0, requests=100))
    assert found.requests_per_s == pytest.approx(1 / 0.110, rel=0.02)
    assert found.ttft.p99 > 5.0


def test_replicas_share_the_load() -> None:
    one = simulate(server(PER_TOKEN), load(100, 11, concurrency=4, requests=40))
    four = simulate(server(PER_TOKEN, replicas=4), load(100, 11, concurrency=16, requests=160))
    assert four.output_tokens_per_s == pytest.approx(4 * one.output_tokens_per_s)
    assert four.ttft == one.ttft
    assert four.running_mean == pytest.approx(4 * one.running_mean)


def test_fewer_requests_than_replicas_leave_some_idle() -> None:
    one = simulate(server(), load(100, 11, concurrency=1, requests=10))
    found = simulate(server(replicas=8), load(100, 11, concurrency=2, requests=20))
    assert found.output_tokens_per_s == pytest.approx(2 * one.output_tokens_per_s)


def test_pipeline_batches_share_slots_and_blocks() -> None:
    two = server(stages=2, max_num_seqs=4)
    found = simulate(two, load(100, 11, concurrency=8, requests=80))
    assert found.running_mean == pytest.approx(4.0, rel=0.01)


def test_a_pipeline_batch_has_room_for_one_request_at_least() -> None:
    found = simulate(server(stages=4, num_blocks=10), load(100, 11, concurrency=1, requests=1))
    assert found.kv_use_max == pytest.approx(1.0)


def test_time_before_the_scheduler_counts() -> None:
    found = simulate(server(front_end=0.005), load(100, 11, concurrency=1, requests=10))
    assert found.ttft.mean == pytest.approx(0.015)
    assert found.duration == pytest.approx(10 * 0.115)


@pytest.mark.parametrize(
    ("changes", "prompt", "output", "says"),
    [
        ({"num_blocks": 5}, 100, 50, "needs 10 KV blocks; there are 5"),
        ({"max_model_len": 100}, 90, 11, "maximum context length is 100 tokens"),
        ({"chunked_prefill": False, "max_num_batched_tokens": 50}, 90, 11, "not chunked"),
    ],
)
def test_what_can_never_run_is_refused(changes: dict[str, Any], prompt: int, output: int, says: str) -> None:
    with pytest.raises(Refused, match=says):
        simulate(server(**changes), load(prompt, output, concurrency=1))


def test_a_load_comes_in_one_way() -> None:
    with pytest.raises(Refused, match="exactly one"):
        simulate(server(), load(10, 10, concurrency=1, rate=1.0))


def test_a_run_is_long_enough() -> None:
    assert count_requests(load(1, 1, concurrency=64)) == 640
    assert count_requests(load(1, 1, rate=3.0)) == 1000
    assert count_requests(load(1, 1, offline=True, requests=7)) == 7
    assert count_requests(Load(Tokens(10, 20), Tokens(5, 5), concurrency=2)) == 200


def test_lengths_have_the_median_and_the_95th_percentile_of_the_load() -> None:
    lengths = draw_lengths(Load(Tokens(1000, 4000), Tokens(200, 200), offline=True), 400, 100_000)
    prompts = sorted(prompt for prompt, _ in lengths)
    assert prompts[200] == pytest.approx(1000, rel=0.01)
    assert prompts[380] == pytest.approx(4000, rel=0.02)
    assert {output for _, output in lengths} == {200}
    assert [prompt for prompt, _ in lengths] != prompts
    assert max(prompt for prompt, _ in draw_lengths(Load(Tokens(1000, 4000), Tokens(200, 200)), 400, 5000)) == 4999


def test_arrivals_are_poisson_at_the_exact_rate() -> None:
    times = draw_arrivals(5.0, 2000, seed=1)
    assert times[-1] == pytest.approx(400.0)
    gaps = [after - before for before, after in pairwise(times)]
    mean = sum(gaps) / len(gaps)
    deviation = (sum((gap - mean) ** 2 for gap in gaps) / len(gaps)) ** 0.5
    assert deviation / mean == pytest.approx(1.0, rel=0.1)


@pytest.mark.parametrize(("share", "quantile"), [(0.5, 0.0), (0.95, 1.644854), (0.01, -2.326348), (0.999, 3.090232)])
def test_normal_quantiles(share: float, quantile: float) -> None:
    assert normal_quantile(share) == pytest.approx(quantile, abs=5e-4)


def replayed(found: Trace, costs: StepCosts) -> tuple[float, float, float, float]:
    ttft, tpot, itl, duration = found.ttft, found.tpot, found.itl, found.idle
    for step in found.steps:
        seconds = step_seconds(costs, step.batch)
        ttft += step.ttft * seconds
        tpot += step.tpot * seconds
        itl += step.itl * seconds
        duration += step.count * seconds
    return ttft, tpot, itl, duration


@pytest.mark.parametrize("arrival", [{"concurrency": 24}, {"offline": True, "requests": 200}])
def test_a_trace_gives_the_means_at_other_costs(arrival: dict[str, Any]) -> None:
    at = Load(Tokens(900, 2500), Tokens(200, 500), **arrival)
    here = server(PLAUSIBLE, max_num_seqs=16, num_blocks=1500)
    dense = (DenseCosts(9e-3, 4e-5, 2.0),)
    slower = replace(PLAUSIBLE, dense=dense, host_step=1e-3, caches=(CacheCosts(9e-8, 3e-10),))
    found, wanted = replayed(trace(here, at), slower), simulate(replace(here, costs=slower), at)
    assert found == pytest.approx((wanted.ttft.mean, wanted.tpot.mean, wanted.itl.mean, wanted.duration), rel=5e-3)


def test_a_trace_at_its_own_costs_is_the_simulation() -> None:
    at = Load(Tokens(900, 2500), Tokens(200, 500), rate=5.0, requests=300)
    here = server(PLAUSIBLE, front_end=0.003)
    found, wanted = replayed(trace(here, at), PLAUSIBLE), simulate(here, at)
    assert found == pytest.approx((wanted.ttft.mean, wanted.tpot.mean, wanted.itl.mean, wanted.duration), rel=2e-3)


def test_the_cost_is_in_events_not_in_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """64 clients with 10 requests each take 15,000 steps; the model is asked for the time of a tenth of them."""
    asked = []

    def counting(costs: StepCosts, batch: Batch) -> float:
        asked.append(batch)
        return step_seconds(costs, batch)

    monkeypatch.setattr(simulation_clock, "step_seconds", counting)
    monkeypatch.setattr(simulation_replay, "step_seconds", counting)
    at = load(8192, 1024, concurrency=64)
    found = trace(server(PLAUSIBLE, max_num_batched_tokens=8192, num_blocks=50_000), at)
    assert sum(step.count for step in found.steps) > 9000
    assert len(asked) < 1500
    assert len(found.steps) < 200


shapes = some.builds(
    Load,
    prompt=some.sampled_from([Tokens(50, 50), Tokens(300, 900), Tokens(700, 700)]),
    output=some.sampled_from([Tokens(1, 1), Tokens(60, 60), Tokens(40, 200)]),
    concurrency=some.integers(1, 40),
    requests=some.integers(1, 120),
    prefix_hit=some.sampled_from([0.0, 0.5]),
    seed=some.integers(0, 3),
)
kinds = some.fixed_dictionaries(
    {
        "max_num_seqs": some.integers(1, 64),
        "max_num_batched_tokens": some.sampled_from([256, 1000, 4096]),
        "num_blocks": some.sampled_from([256, 600, 5000]),
        "async_scheduling": some.booleans(),
    }
)


@settings(max_examples=60, deadline=None)
@given(at=shapes, changes=kinds)
def test_laws(at: Load, changes: dict[str, Any]) -> None:
    here = server(PLAUSIBLE, max_model_len=4000, **changes)
    found = simulate(here, at)
    assert found == simulate(here, at)
    lengths = draw_lengths(at, at.requests, 4000)
    assert found.requests_per_s * found.duration == pytest.approx(at.requests)
    assert found.output_tokens_per_s * found.duration == pytest.approx(sum(output for _, output in lengths))
    assert found.total_tokens_per_s * found.duration == pytest.approx(sum(map(sum, lengths)))
    assert found.running_mean <= min(at.concurrency or 0, here.max_num_seqs) + 1e-9
    assert 0 < found.kv_use_max <= 1
    for spread in (found.ttft, found.tpot, found.itl, found.e2e):
        assert 0 <= spread.p50 <= spread.p95 <= spread.p99
    step = step_seconds(PLAUSIBLE, Batch(min(at.concurrency or 0, here.max_num_seqs), 50))
    assert found.output_tokens_per_s <= min(at.concurrency or 0, here.max_num_seqs) / step * 1.2 + 1 / step
    assert found.ttft.mean >= step_seconds(PLAUSIBLE, Batch(prefill_tokens=1, prefills=1))


@settings(max_examples=60, deadline=None)
@given(at=shapes, changes=kinds)
def test_steps_hold_every_token_once(at: Load, changes: dict[str, Any]) -> None:
    here = server(PLAUSIBLE, max_model_len=4000, **{**changes, "num_blocks": 50_000})
    found = trace(here, replace(at, prefix_hit=0.0))
    lengths = draw_lengths(at, at.requests, 4000)
    assert sum(step.count * step.batch.prefill_tokens for step in found.steps) == pytest.approx(found.prompt_tokens)
    assert found.prompt_tokens == sum(prompt for prompt, _ in lengths)
    decoded = sum(step.count * step.batch.decodes for step in found.steps)
    assert decoded == pytest.approx(found.output_tokens - len(lengths))
    widest = max(step.batch.decodes + step.batch.prefill_tokens for step in found.steps)
    assert widest <= here.max_num_batched_tokens + 1e-6


@settings(max_examples=40, deadline=None)
@given(at=shapes, slots=some.integers(1, 64))
def test_twice_the_blocks_never_preempt_more(at: Load, slots: int) -> None:
    few = server(PLAUSIBLE, max_model_len=4000, max_num_seqs=slots, num_blocks=400)
    found = [simulate(replace(few, num_blocks=blocks), at).preemptions for blocks in (400, 20_000)]
    assert found[1] == 0 <= found[0]
