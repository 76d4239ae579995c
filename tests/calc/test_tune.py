"""The search by predicted times: what it chooses, what it leaves alone, and when it does not predict."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from llmtune.calc.effects import tell
from llmtune.calc.objective import NOT_WORSE, Goal, gain, speed_of
from llmtune.calc.search import recommend
from llmtune.calc.tune import tune
from llmtune.catalog import engines, gpus, scenarios
from llmtune.catalog.coefficients import load_coefficients
from llmtune.cli.advise import request
from llmtune.cli.loading import load_model
from llmtune.spec.deployment import Setting
from llmtune.spec.hardware import Hardware
from llmtune.spec.performance import Load
from llmtune.spec.ranking import Effect, Ranking
from llmtune.spec.scenario import Targets

if TYPE_CHECKING:
    from llmtune.calc.candidates import Request
    from llmtune.spec.model import Model
    from llmtune.spec.recommendation import Recommendation

QWEN = "Qwen/Qwen3-8B"
LARGE = "Qwen/Qwen3-32B"
CASES = [
    (QWEN, "l4", 1, "chat"),
    (QWEN, "l4", 4, "summarization"),
    (LARGE, "h100-sxm", 8, "chat"),
    (LARGE, "a100-sxm-80gb", 4, "high-throughput"),
    (LARGE, "l40s", 4, "low-latency"),
    ("openai/gpt-oss-120b", "h100-sxm", 4, "creative"),
    ("deepseek-ai/DeepSeek-V3", "h200-sxm", 8, "code"),
]


@lru_cache(maxsize=8)
def model_of(name: str) -> Model:
    return load_model(name, offline=True)


def asked(name: str, gpu: str, count: int, scenario: str, *pinned: Setting, release: str = "0.33.0") -> Request:
    hardware = Hardware(gpus.find(gpu), count)
    return request(model_of(name), hardware, engines.find(release), scenarios.find(scenario), pinned)


def goal_of(one: Request, objective: str = "throughput", **targets: float) -> Goal:
    work = one.scenario.workload
    wanted = Targets(**targets) if targets else one.scenario.targets
    return Goal(objective, wanted, Load(work.prompt, work.output, work.concurrency), load_coefficients())


def ranking_of(found: Recommendation) -> Ranking:
    assert found.ranking is not None
    return found.ranking


def settings_of(found: Recommendation) -> dict[str, object]:
    assert found.deployment is not None
    return {setting.flag: setting.value for setting in found.deployment.settings}


@pytest.mark.parametrize(("name", "gpu", "count", "scenario"), CASES)
def test_the_choice_is_never_worse_than_the_engines_own_values(name: str, gpu: str, count: int, scenario: str) -> None:
    one = asked(name, gpu, count, scenario)
    goal = goal_of(one, "latency" if scenario == "low-latency" else "throughput")
    _, found = tune((one,), goal)
    ranking = ranking_of(found)
    own = ranking.default.performance
    if own is not None:
        better = gain(goal, (speed_of(own), count), (speed_of(ranking.performance), count))
        assert better <= NOT_WORSE
    assert found.memory is not None
    assert found.memory.fits


@pytest.mark.parametrize(("name", "gpu", "count", "scenario"), CASES[:3])
def test_the_same_question_has_the_same_answer(name: str, gpu: str, count: int, scenario: str) -> None:
    one = asked(name, gpu, count, scenario)
    assert tune((one,), goal_of(one)) == tune((one,), goal_of(one))


def test_points_of_the_front_are_not_beaten() -> None:
    one = asked(LARGE, "h100-sxm", 8, "chat")
    front = ranking_of(tune((one,), goal_of(one))[1]).front
    assert len(front) > 3
    for faster, slower in pairwise(front):
        assert faster.tpot <= slower.tpot
        assert faster.tokens_per_gpu < slower.tokens_per_gpu


def test_few_requests_take_tensor_parallelism_and_many_take_replicas() -> None:
    few = asked(LARGE, "h100-sxm", 8, "chat")
    many = replace(few, scenario=replace(few.scenario, workload=replace(few.scenario.workload, concurrency=2048)))
    assert settings_of(tune((few,), goal_of(few))[1])["tensor-parallel-size"] == 8
    assert settings_of(tune((many,), goal_of(many, ttft=60.0))[1])["data-parallel-size"] > 1  # type: ignore[operator]


def test_pins_stay_and_are_not_explained_by_figures() -> None:
    one = asked(QWEN, "h100-sxm", 2, "chat", Setting("max-num-batched-tokens", 3000), Setting("data-parallel-size", 2))
    _, found = tune((one,), goal_of(one))
    assert settings_of(found)["max-num-batched-tokens"] == 3000
    reasons = {reason.flag: reason.text for reason in found.reasons}
    assert reasons["data-parallel-size"] == "set by you"
    assert reasons["max-num-batched-tokens"].endswith("set by you")


def test_a_users_scenario_means_what_it_says_and_a_presets_step_has_to_gain() -> None:
    one = asked(QWEN, "h100-sxm", 1, "high-throughput")
    own = replace(one, scenario=replace(one.scenario, source="own.yaml"))
    policy = replace(own.scenario.policy, max_num_batched_tokens=4096)
    own = replace(own, scenario=replace(own.scenario, policy=policy))
    assert settings_of(tune((own,), goal_of(own))[1])["max-num-batched-tokens"] == 4096
    assert "max-num-batched-tokens" not in settings_of(tune((one,), goal_of(one))[1])  # 8192 is the engine's own


def test_of_several_counts_the_smallest_that_meets_the_targets_is_the_best_per_gpu() -> None:
    one = asked(QWEN, "h100-sxm", 1, "chat")
    counts = [replace(one, hardware=replace(one.hardware, gpus_per_node=count)) for count in (1, 2, 4, 8)]
    chosen, _ = tune(counts, goal_of(one))
    assert chosen.hardware.gpus == 1
    fastest, _ = tune(counts, goal_of(one, "latency"))
    assert fastest.hardware.gpus > 1


def test_where_nothing_meets_the_targets_the_nearest_is_taken_and_said() -> None:
    one = asked(QWEN, "l4", 1, "chat")
    _, found = tune((one,), goal_of(one, tpot=0.005))
    assert ranking_of(found).misses == ("TPOT",)
    assert any("target 5" in warning for warning in found.warnings)
    _, easy = tune((one,), goal_of(one, tpot=1.0))
    assert ranking_of(easy).misses == ()
    assert not any("target" in warning for warning in easy.warnings)


def test_where_the_best_forecast_misses_a_target_the_next_layout_is_replayed_too() -> None:
    """Long prompts clog two small caches: requests wait for minutes where one cache of both GPUs has room."""
    one = asked("unsloth/Meta-Llama-3.1-8B-Instruct-bnb-4bit", "t4", 2, "code", release="0.24.0")
    goal = goal_of(one, ttft=2.0, tpot=0.03)
    _, found = tune([one], goal)
    replicas = asked(
        one.model.id, "t4", 2, "code", Setting("data-parallel-size", 2), release="0.24.0"
    )  # the best by forecast
    _, clogged = tune([replicas], goal)
    assert settings_of(found)["tensor-parallel-size"] == 2
    assert 4 * ranking_of(found).performance.ttft.mean < ranking_of(clogged).performance.ttft.mean


def test_without_rates_of_the_gpu_memory_alone_decides() -> None:
    one = asked(QWEN, "l4", 1, "chat")
    blind = replace(one, hardware=Hardware(replace(one.hardware.gpu, flops={}), 1))
    _, found = tune((blind,), goal_of(blind))
    assert found.ranking is None
    assert "not known" in found.unranked
    assert replace(found, unranked="") == recommend(blind)


def test_an_encoder_and_a_crowd_are_not_predicted() -> None:
    encoder = asked("BAAI/bge-m3", "l4", 1, "chat")
    assert "does not generate" in tune((encoder,), goal_of(encoder))[1].unranked
    one = asked(QWEN, "h100-sxm", 1, "chat")
    crowd = replace(goal_of(one), load=Load(*2 * (one.scenario.workload.prompt,), concurrency=20_000))
    assert "in flight" in tune((one,), crowd)[1].unranked


def test_where_nothing_starts_the_refusal_is_that_of_the_search_by_memory() -> None:
    one = asked("meta-llama/Llama-3.3-70B-Instruct", "l4", 1, "chat")
    assert tune((one,), goal_of(one))[1] == recommend(one)


def test_arrivals_get_as_many_slots_as_come_together() -> None:
    one = asked(QWEN, "h100-sxm", 1, "chat")
    work = one.scenario.workload
    goal = replace(goal_of(one), load=Load(work.prompt, work.output, rate=20.0))
    _, found = tune((one,), goal)
    ranking = ranking_of(found)
    assert found.resolved is not None
    assert found.resolved.max_num_seqs > ranking.performance.running_mean
    assert ranking.performance.ttft.mean < 1.0


def test_a_replay_has_enough_requests_and_not_many_more() -> None:
    one = asked(QWEN, "h100-sxm", 1, "chat")
    assert ranking_of(tune((one,), goal_of(one))[1]).load.requests == 320  # ten for each, as simulate has it
    many = asked(QWEN, "h100-sxm", 1, "high-throughput")
    assert ranking_of(tune((many,), goal_of(many))[1]).load.requests == 512


def test_an_effect_says_what_changes() -> None:
    told = tell(Effect("max-num-batched-tokens", "2048", "8192", 0.09, -0.1, 0.0001, 0.004))
    assert told == "2048 -> 8192: +9 % throughput, TTFT -100 ms, p99 ITL +4 ms"
