from __future__ import annotations

import re

import pytest

from llmtune.catalog import engines, json_fields


def test_keys_of_a_release() -> None:
    new, old = (json_fields.keys("compilation-config", release) for release in ("0.33.0", "0.16.0"))
    assert "level" in old
    assert "level" not in new
    assert new["pass_config"] == ("@PassConfig",)
    assert "bool" in new["pass_config.fuse_norm_quant"]
    assert "~FULL_AND_PIECEWISE" in new["cudagraph_mode"]


@pytest.mark.parametrize(
    ("flag", "release"),
    [("compilation-config", "0.12.0"), ("kv-transfer-config", "0.15.0"), ("hf-overrides", "0.33.0")],
)
def test_options_that_take_any_key(flag: str, release: str) -> None:
    assert json_fields.keys(flag, release) == {}


def test_limits_of_plain_options() -> None:
    options = engines.find("0.33.0").options
    assert options["gpu-memory-utilization"].keys[""] == ("float>0,<=1",)
    assert "=fp8" in options["kv-cache-dtype"].keys[""]
    assert options["max-lora-rank"].keys == {}


@pytest.mark.parametrize("release", ["0.16.0", "0.24.0", "0.33.0"])
def test_every_entry_is_an_option_or_a_class_in_one(release: str) -> None:
    options = engines.find(release).options
    kinds = {kind for option in options.values() for types in option.keys.values() for kind in types}
    simple = {"int", "float", "bool", "str", "list", "list:int", "list:str", "dict", "none", "any"}
    odd = {kind for kind in kinds if re.split("[<>!]", kind)[0] not in simple and kind[0] not in "=~%@"}
    assert not odd
