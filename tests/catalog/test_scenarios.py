"""Presets: valid, complete, and the same in both forms."""

from __future__ import annotations

import json

import pytest

from llmtune.catalog import UnknownName, scenarios
from llmtune.readers.scenario import read_scenario


def test_prepared_presets_are_the_yaml_files() -> None:
    prepared = json.loads(scenarios.PREPARED.read_text(encoding="utf-8"))
    assert prepared == {name: scenarios.load(name) for name in scenarios.names()}, "run: python tools/make_docs.py"


@pytest.mark.parametrize("name", scenarios.names())
def test_presets_pass_the_check_of_users_files(name: str) -> None:
    mine = read_scenario(scenarios.directory() / f"{name}.yaml")
    preset = scenarios.find(name)
    assert (mine.workload, mine.policy, mine.sampling) == (preset.workload, preset.policy, preset.sampling)


@pytest.mark.parametrize("name", scenarios.names())
def test_every_sampling_default_has_a_reason(name: str) -> None:
    assert all(entry.reason for entry in scenarios.find(name).sampling)


def test_unknown_scenario_names_the_nearest() -> None:
    with pytest.raises(UnknownName, match="Did you mean 'chat'"):
        scenarios.find("chta")
