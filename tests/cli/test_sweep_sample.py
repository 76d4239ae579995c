"""A sample of the sweep over models, GPUs, scenarios and releases; ``benchmarks/sweep.py`` runs all of it."""

from __future__ import annotations

import sys
from functools import lru_cache
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks import sweep
from llmtune.architectures.config import ConfigError
from llmtune.calc.search import recommend
from llmtune.catalog import engines, gpus, models, scenarios
from llmtune.cli.advise import request
from llmtune.spec.hardware import Hardware

SAMPLE = 300
SEED = 20
REFUSALS = 15  # looked into: finding ways out tries many deployments


@lru_cache(maxsize=1)
def cases() -> tuple[list[sweep.Case], list[sweep.Case]]:
    """The sample, as cases that have a recommendation and cases that have none (or a model that cannot be read)."""
    fits: list[sweep.Case] = []
    refused: list[sweep.Case] = []
    for case in sweep.sample(SAMPLE, SEED):
        if not readable(case.model):
            continue
        hardware = Hardware(gpus.find(case.gpu), case.gpus)
        engine = engines.find(case.release)
        asked = request(sweep._model(case.model), hardware, engine, scenarios.find(case.scenario), ())
        (fits if recommend(asked).deployment else refused).append(case)
    return fits, refused


@lru_cache(maxsize=512)
def readable(name: str) -> bool:
    try:
        sweep._model(name)
    except ConfigError:
        return False
    return True


def test_every_model_of_the_sample_can_be_read() -> None:
    assert all(readable(case.model) for case in sweep.sample(SAMPLE, SEED))


def test_every_model_of_the_catalogue_can_be_read() -> None:
    assert [name for name in models.names() if not readable(name)] == []


def violations(of: list[sweep.Case]) -> list[str]:
    outcomes = [sweep.run(case) for case in of]
    return [f"{kind}: {detail}\n    {one.case}" for one in outcomes for kind, detail in one.violations]


def test_recommendations_exist_in_the_release_and_fit_when_read_back() -> None:
    fits, _ = cases()
    assert len(fits) > SAMPLE // 3
    assert not violations(fits)


def test_refusals_name_a_way_out() -> None:
    _, refused = cases()
    step = max(1, len(refused) // REFUSALS)
    assert not violations(refused[::step][:REFUSALS])


def test_the_sample_is_the_same_every_time() -> None:
    assert sweep.sample(50, SEED) == sweep.sample(50, SEED)
    assert {case.release for case in sweep.sample(SAMPLE, SEED)} == set(sweep.RELEASES)


@pytest.mark.parametrize("case", sweep.sample(3, SEED), ids=str)
def test_the_same_question_has_the_same_answer(case: sweep.Case) -> None:
    first, second = sweep.run(case), sweep.run(case)
    assert (first.feasible, first.violations) == (second.feasible, second.violations)
