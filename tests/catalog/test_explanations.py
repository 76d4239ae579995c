"""Explanations: complete, well formed, about names that exist; and the history that the option tables tell."""

from __future__ import annotations

import re
from typing import Any

import pytest

from llmtune.catalog import UnknownName, engines, explanations, scenarios

NEWEST = engines.newest()
SETTINGS: dict[str, Any] = explanations.texts("settings")
SAMPLING: dict[str, Any] = explanations.texts("sampling")
PARAMETERS: dict[str, Any] = SAMPLING["parameters"]
ENTRIES = {f"--{flag}": entry for flag, entry in SETTINGS.items()} | PARAMETERS
SENTENCES = ("what", "more", "less", "advice", "instead")
LONGEST = 400
EVER = frozenset(flag for release in engines.names() for flag in engines.find(release).options)


def sentences(entry: dict[str, Any]) -> list[str]:
    return [*(entry[key] for key in SENTENCES if key in entry), *entry.get("interplay", ())]


def test_every_option_of_the_newest_release_is_explained() -> None:
    assert sorted(set(engines.find(NEWEST).options) - set(SETTINGS)) == []


def test_every_option_of_older_releases_is_explained() -> None:
    assert sorted(EVER - set(SETTINGS)) == []


def test_nothing_is_explained_that_never_existed() -> None:
    assert sorted(set(SETTINGS) - EVER) == []


def test_options_that_are_gone_say_what_to_do_instead_and_only_those() -> None:
    assert {flag for flag, entry in SETTINGS.items() if "instead" in entry} == EVER - set(engines.find(NEWEST).options)


@pytest.mark.parametrize("name", ENTRIES)
def test_texts_are_short_sentences(name: str) -> None:
    for text in sentences(ENTRIES[name]):
        assert len(text) <= LONGEST
        assert text.endswith(".")
        assert text == " ".join(text.split())


@pytest.mark.parametrize("name", ENTRIES)
def test_entries_have_known_keys_and_a_source(name: str) -> None:
    entry = ENTRIES[name]
    known = {*SENTENCES, "related", "source"}
    if name in PARAMETERS:
        known |= {"formula", "range", "default", "server", "interplay", "aliases"}
    assert set(entry) <= known
    assert entry["what"]
    assert entry["source"]


@pytest.mark.parametrize("name", ENTRIES)
def test_related_names_exist(name: str) -> None:
    related = ENTRIES[name].get("related", [])
    assert [other for other in related if other not in SETTINGS and other not in PARAMETERS] == []
    assert name.lstrip("-") not in related or name.lstrip("-") in PARAMETERS
    assert len(set(related)) == len(related)


@pytest.mark.parametrize("name", ENTRIES)
def test_flags_and_releases_in_texts_exist(name: str) -> None:
    for text in [*sentences(ENTRIES[name]), ENTRIES[name].get("range", "")]:
        for flag in re.findall(r"(?<![\w-])--([a-z][a-z0-9-]+)", text):
            assert flag.removeprefix("no-") in EVER
        assert set(re.findall(r"(?<![\d.])0\.\d+\.\d+\b", text)) <= set(engines.names())


def test_steps_of_the_sampler_name_explained_parameters() -> None:
    acting = [name for step in SAMPLING["order"] for name in step.get("parameters", ())]
    assert len(acting) == len(set(acting))
    assert set(acting) <= set(PARAMETERS)


def test_what_presets_set_is_explained_with_their_values() -> None:
    for scenario in map(scenarios.find, scenarios.names()):
        for default in scenario.sampling:
            page = explanations.sampling(default.name)
            assert page is not None
            shown = {use.scenario: (use.value, use.reason) for use in page.uses}
            assert shown[scenario.name] == (default.value, default.reason)


@pytest.mark.parametrize(
    ("word", "flag"),
    [
        ("max-num-batched-tokens", "max-num-batched-tokens"),
        ("--max-num-batched-tokens", "max-num-batched-tokens"),
        ("max_num_batched_tokens", "max-num-batched-tokens"),
        ("--gpu-memory-utilization=0.9", "gpu-memory-utilization"),
        ("-tp", "tensor-parallel-size"),
        ("tp", "tensor-parallel-size"),
        ("-n", "nnodes"),
        ("-dph", "data-parallel-hybrid-lb"),
        ("-O3", "optimization-level"),
        ("--device-memory-utilization", "gpu-memory-utilization"),
        ("--no-enable-prefix-caching", "enable-prefix-caching"),
        ("--disable-prefix-caching", "enable-prefix-caching"),
        ("--compilation-config.cudagraph_mode", "compilation-config"),
        ("-cc.mode", "compilation-config"),
        ("--seed", "seed"),
        ("swap-space", "swap-space"),
    ],
)
def test_settings_are_found_by_all_their_names(word: str, flag: str) -> None:
    page = explanations.setting(word, NEWEST)
    assert page is not None
    assert page.flag == flag


@pytest.mark.parametrize(
    ("word", "name"), [("top_p", "top_p"), ("top-p", "top_p"), ("max_completion_tokens", "max_tokens"), ("n", "n")]
)
def test_sampling_parameters_are_found_by_all_their_names(word: str, name: str) -> None:
    page = explanations.sampling(word)
    assert page is not None
    assert page.name == name


def test_a_dash_means_a_setting() -> None:
    assert explanations.sampling("--seed") is None
    page = explanations.sampling("seed")
    assert page is not None
    assert page.setting == "seed"


def test_words_that_name_nothing() -> None:
    for word in ("max-num-bached-tokens", "", "-", "VLLM_USE_V1"):
        assert explanations.sampling(word) is None
        assert explanations.setting(word, NEWEST) is None


def test_unknown_releases_are_refused() -> None:
    with pytest.raises(UnknownName, match=r"vLLM version '9\.9'"):
        explanations.setting("max-num-seqs", "9.9")


def test_history_of_a_default() -> None:
    known = explanations.history("gpu-memory-utilization")
    assert (known.since, known.from_the_start, known.removed) == ("0.6.0", True, None)
    assert [(change.release, change.before, change.after) for change in known.changes] == [("0.20.0", 0.9, 0.92)]


def test_history_of_choices() -> None:
    gone = {
        change.release: change.before
        for change in explanations.history("quantization").changes
        if change.what == "choices"
    }
    assert gone["0.24.0"] == ("gguf",)
    assert gone["0.28.0"] == ("bitsandbytes",)


def test_history_of_a_setting_that_came_and_went() -> None:
    known = explanations.history("task")
    assert (known.since, known.removed) == ("0.6.4", "0.13.0")
    assert ("0.10.1", "deprecated") in [(change.release, change.what) for change in known.changes]


@pytest.mark.parametrize(
    ("flag", "release", "default"),
    [
        ("max-num-seqs", "0.7.3", 256),
        ("max-num-seqs", "0.8.5", "1024 on GPUs of 70 GiB and more; 256 on others"),
        ("max-num-batched-tokens", "0.7.3", "max-model-len, at least 2048; 2048 with chunked prefill"),
        ("max-num-batched-tokens", "0.10.2", "8192 on GPUs of 70 GiB and more (not A100); 2048 on others"),
        ("enable-prefix-caching", "0.7.3", False),
        ("enable-prefix-caching", "0.8.0", "on where the model allows it"),
        ("enable-chunked-prefill", "0.7.3", "on for contexts above 32768 tokens"),
        ("async-scheduling", "0.13.0", False),
        ("max-model-len", "0.33.0", None),
    ],
)
def test_defaults_that_the_code_decides(flag: str, release: str, default: object) -> None:
    page = explanations.setting(flag, release)
    assert page is not None
    assert page.default == default


@pytest.mark.parametrize(
    ("flag", "release", "status", "table"),
    [
        ("swap-space", "0.17.1", "present", "0.17.1"),
        ("swap-space", "0.33.0", "removed", "0.17.1"),
        ("watermark", "0.11.0", "not yet", "0.24.0"),
        ("watermark", "0.33.0", "present", "0.33.0"),
    ],
)
def test_a_release_without_the_setting_shows_the_nearest_that_has_it(
    flag: str, release: str, status: str, table: str
) -> None:
    page = explanations.setting(flag, release)
    assert page is not None
    assert (page.status, page.table) == (status, table)


def test_a_removed_name_may_be_accepted_as_an_opposite() -> None:
    now, before = (explanations.setting("disable-log-requests", release) for release in ("0.33.0", "0.32.0"))
    assert now is not None
    assert before is not None
    assert (now.accepted_as, before.accepted_as) == ("enable-log-requests", None)
