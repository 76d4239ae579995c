"""The option tables of the vLLM releases: their form, and facts that were read in vLLM's sources."""

from __future__ import annotations

import json
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

import llmtune

ENGINES = Path(llmtune.__file__).parent / "catalog/data/engines"
TYPES = {"bool", "int", "float", "str", "json", "pairs"}
MARKS = {"flag", "negatable", "append", "human", "auto", "json", "optional", "deprecated"}
FIELDS = MARKS | {"type", "choices", "default", "nargs", "inverse", "aliases"}
# What vLLM's parser has as the default although it would not take it as a value: an enum's number,
# and an empty text for "none".
ODD_DEFAULTS = [("optimization-level", 2), ("reasoning-parser", "")]


def order(release: str) -> tuple[int, ...]:
    """Return the release as numbers, so that 0.10 comes after 0.9.

    >>> order("0.10.2") > order("0.9.2")
    True
    """
    return tuple(int(part) for part in release.replace("post", "").split("."))


RELEASES = sorted((file.stem for file in ENGINES.glob("*.json")), key=order)


@cache
def read(release: str) -> dict[str, Any]:
    """Return the release's file."""
    table: dict[str, Any] = json.loads((ENGINES / f"{release}.json").read_text(encoding="utf-8"))
    return table


def options(release: str) -> dict[str, dict[str, Any]]:
    """Return the release's options."""
    table: dict[str, dict[str, Any]] = read(release)["options"]
    return table


def releases_with(flag: str) -> list[str]:
    """Return the releases that have the option, oldest first."""
    return [release for release in RELEASES if flag in options(release)]


def names(flag: str, entry: dict[str, Any]) -> list[str]:
    """Return every text that names the option, with its dashes."""
    aliases = entry.get("aliases", [])
    long = [flag, *(name for name in aliases if not name.startswith("-"))]
    opposite = [f"no-{name}" for name in long] if entry.get("negatable") else []
    inverse = [entry["inverse"]] if "inverse" in entry else []
    return [f"--{name}" for name in long + opposite + inverse] + [name for name in aliases if name.startswith("-")]


def test_the_releases_are_there() -> None:
    assert RELEASES[0] == "0.6.0"
    assert RELEASES[-1] == "0.33.0"
    assert len(RELEASES) >= 53


@pytest.mark.parametrize("release", RELEASES)
class TestForm:
    def test_head(self, release: str) -> None:
        table = read(release)
        assert list(table) == ["release", "date", "source", "options"]
        assert table["release"] == release
        assert table["source"].startswith(f"vllm {release} ")
        year, month, day = map(int, table["date"].split("-"))
        assert (year, month) >= (2024, 9)
        assert 1 <= day <= 31

    def test_fields(self, release: str) -> None:
        for flag, entry in options(release).items():
            assert set(entry) <= FIELDS, flag
            assert entry["type"] in TYPES, flag
            assert all(entry[mark] is True for mark in MARKS & set(entry)), flag
            assert entry.get("nargs", "+") in ("+", "*", "?") or entry["nargs"] > 0, flag

    def test_fields_agree(self, release: str) -> None:
        for flag, entry in options(release).items():
            switch = "flag" in entry or "negatable" in entry
            assert not (switch and {"choices", "nargs", "human", "optional"} & set(entry)), flag
            assert not switch or entry["type"] == "bool", flag
            assert "json" in entry or entry["type"] != "json" or isinstance(entry.get("default", []), list), flag
            assert "inverse" not in entry or "negatable" in entry, flag
            assert "auto" not in entry or entry["type"] == "int", flag

    def test_defaults_are_legal(self, release: str) -> None:
        kinds: dict[str, tuple[type, ...]] = {"int": (int,), "float": (float, int), "str": (str,), "bool": (bool,)}
        for flag, entry in options(release).items():
            default = entry.get("default")
            if default is None or "json" in entry or "nargs" in entry or "append" in entry:
                continue
            if (flag, default) in ODD_DEFAULTS:
                continue
            assert isinstance(default, kinds.get(entry["type"], (object,))), flag
            assert default in entry.get("choices", [default]), flag

    def test_choices(self, release: str) -> None:
        for flag, entry in options(release).items():
            choices = entry.get("choices", [])
            assert len({type(choice) for choice in choices}) <= 1, flag
            assert choices == sorted(set(choices)), flag
            assert "None" not in choices, flag

    def test_every_name_is_one_option(self, release: str) -> None:
        seen = [name for flag, entry in options(release).items() for name in names(flag, entry)]
        assert len(seen) == len(set(seen))

    def test_text_is_canonical(self, release: str) -> None:
        text = (ENGINES / f"{release}.json").read_text(encoding="utf-8")
        table = read(release)
        lines = text.splitlines()
        assert len(lines) == len(table["options"]) + 7
        assert list(table["options"]) == sorted(table["options"])
        assert all(list(entry) == sorted(entry) for entry in table["options"].values())

    def test_what_every_release_has(self, release: str) -> None:
        table = options(release)
        assert "model-tag" not in table
        assert "help" not in table
        assert "config" in table
        assert table["tensor-parallel-size"]["aliases"] == ["-tp"]
        assert table["max-model-len"]["type"] == "int"
        assert table["gpu-memory-utilization"]["type"] == "float"
        assert "auto" in table["dtype"]["choices"]


def test_dates_do_not_run_backwards() -> None:
    dates = [read(release)["date"] for release in RELEASES]
    wrong = [(old, new) for old, new in pairwise(zip(dates, RELEASES, strict=True)) if new[0] < old[0]]
    assert wrong == []


# First and last release with the option; None: still there in the newest.
# Read in vllm/engine/arg_utils.py of the releases on both sides of each border.
LIVES = [
    ("swap-space", "0.6.0", "0.17.1"),
    ("num-scheduler-steps", "0.6.0", "0.10.0"),
    ("use-v2-block-manager", "0.6.0", "0.9.2"),
    ("worker-use-ray", "0.6.0", "0.6.6.post1"),
    ("num-speculative-tokens", "0.6.0", "0.8.2"),
    ("override-generation-config", "0.7.1", None),
    ("generation-config", "0.6.6", None),
    ("speculative-config", "0.8.2", None),
    ("compilation-config", "0.6.5", None),
    ("async-scheduling", "0.10.0", None),
    ("kv-cache-memory-bytes", "0.10.2", None),
    ("enable-chunked-prefill", "0.6.0", None),
    ("enable-prefix-caching", "0.6.0", None),
    ("max-num-batched-tokens", "0.6.0", None),
]


@pytest.mark.parametrize(("flag", "first", "last"), LIVES)
def test_life_of_an_option(flag: str, first: str, last: str | None) -> None:
    present = releases_with(flag)
    assert present[0] == first
    assert present[-1] == (last or RELEASES[-1])
    assert present == RELEASES[RELEASES.index(present[0]) : RELEASES.index(present[-1]) + 1]


# First release in which the option accepts 1k, 2K, ...: the converters in vllm/engine/arg_utils.py.
HUMAN = [("max-model-len", "0.8.4"), ("max-num-batched-tokens", "0.9.1"), ("kv-cache-memory-bytes", "0.10.2")]


@pytest.mark.parametrize(("flag", "first"), HUMAN)
def test_human_readable_numbers(flag: str, first: str) -> None:
    assert next(release for release in RELEASES if options(release).get(flag, {}).get("human")) == first
    assert options(RELEASES[-1])[flag]["human"]


def test_plain_numbers_stay_plain() -> None:
    for release in RELEASES:  # vllm/engine/arg_utils.py: no converter but int for these
        assert "human" not in options(release)["max-num-seqs"]
        assert "human" not in options(release)["block-size"]


def test_max_model_len_auto() -> None:
    # 0.14.0: human_readable_int_or_auto in vllm/engine/arg_utils.py; 0.13.0 has human_readable_int
    assert next(release for release in RELEASES if "auto" in options(release)["max-model-len"]) == "0.14.0"


def test_enable_chunked_prefill() -> None:
    # 0.6.0, vllm/engine/arg_utils.py: StoreBoolean with nargs="?"; from 0.9.0 on BooleanOptionalAction
    assert options("0.6.0")["enable-chunked-prefill"] == {"default": None, "nargs": "?", "type": "bool"}
    assert options("0.10.0")["enable-chunked-prefill"]["negatable"]


def test_enable_and_disable_are_a_pair_in_the_newest_release() -> None:
    # 0.33.0, vllm/utils/argparse_utils.py: EnableDisableAction; 0.32.0 has no such class
    assert options("0.33.0")["enable-prefix-caching"]["inverse"] == "disable-prefix-caching"
    assert options("0.33.0")["disable-hybrid-kv-cache-manager"]["inverse"] == "enable-hybrid-kv-cache-manager"
    assert not any("inverse" in entry for entry in options("0.32.0").values())


def test_gpu_memory_utilization_default() -> None:
    # vllm/config/cache.py: 0.9 until 0.19.1, 0.92 from 0.20.0 on
    defaults = {release: options(release)["gpu-memory-utilization"]["default"] for release in RELEASES}
    assert {release for release, value in defaults.items() if value == 0.9} == set(RELEASES[: RELEASES.index("0.20.0")])
    assert set(defaults.values()) == {0.9, 0.92}


def test_limit_mm_per_prompt() -> None:
    # 0.6.0: image=4,video=1 (nullable_kvs); 0.8.5: as well as JSON; newest: JSON only
    assert options("0.6.0")["limit-mm-per-prompt"]["type"] == "pairs"
    assert "json" not in options("0.6.0")["limit-mm-per-prompt"]
    assert options("0.8.5")["limit-mm-per-prompt"]["json"]
    assert options("0.33.0")["limit-mm-per-prompt"]["type"] == "json"


def test_deprecated_options_say_so() -> None:
    # help texts and deprecated=True in vllm/engine/arg_utils.py
    assert options("0.6.6")["worker-use-ray"]["deprecated"]
    assert options("0.10.1")["disable-log-requests"]["deprecated"]
    assert options("0.33.0")["log-config-file"]["deprecated"]
    assert "deprecated" not in options("0.33.0")["allow-deprecated-quantization"]
