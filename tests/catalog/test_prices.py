"""Prices are dated, have a source, and belong to GPUs of the catalogue; the client's flags belong to releases."""

from __future__ import annotations

import re

import pytest

from llmtune.catalog import engines, gpus
from llmtune.catalog.bench_options import find_client
from llmtune.catalog.prices import load_prices
from llmtune.cli.market import COMMON


@pytest.mark.parametrize("name", sorted(load_prices()))
def test_a_price_is_dated_and_has_a_source(name: str) -> None:
    price = load_prices()[name]
    assert name in gpus.names()
    assert 0.05 < price.per_hour < 50
    assert re.fullmatch(r"20\d\d-\d\d-\d\d", price.date)
    assert "https://" in price.source
    assert price.who


def test_the_gpus_that_are_compared_without_being_named_exist() -> None:
    assert set(COMMON) <= set(gpus.names())
    assert {gpus.load(name).vendor for name in COMMON} == {"nvidia", "amd"}


@pytest.mark.parametrize("release", engines.names())
def test_every_release_has_a_client_with_the_flags_of_a_plan(release: str) -> None:
    client = find_client(release)
    needed = {
        *("model", "dataset-name", "random-input-len", "random-output-len", "random-prefix-len", "ignore-eos"),
        *("num-prompts", "max-concurrency", "request-rate", "seed", "percentile-metrics", "metric-percentiles"),
        *("save-result", "result-dir", "result-filename", "metadata", "served-model-name", "port", "trust-remote-code"),
    }
    assert needed <= client.serve
    assert bool(client.script) == (engines.parts(release) < engines.parts("0.8.0"))
    assert bool(client.sweep) == (engines.parts(release) >= engines.parts("0.11.1"))
