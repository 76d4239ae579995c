"""Goldens of the pages and documents about performance, made from figures that are written down here."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from llmtune.catalog import gpus
from llmtune.reports import market_json, market_text, performance_json, performance_text
from llmtune.reports.page import Page, Paper
from llmtune.spec.offer import Market, Offer, Price
from llmtune.spec.performance import Load, Performance, Spread
from llmtune.spec.scenario import Targets, Tokens

FOUND = Performance(
    ttft=Spread(0.0951, 0.0353, 0.418, 0.951),
    tpot=Spread(0.0125, 0.0123, 0.0146, 0.0179),
    itl=Spread(0.0122, 0.0105, 0.0166, 0.0531),
    e2e=Spread(4.37, 3.22, 12.3, 121.7),
    output_tokens_per_s=2081.4,
    total_tokens_per_s=7727.0,
    requests_per_s=5.914,
    running_mean=25.5,
    kv_use_max=0.151,
    preemptions=3,
    bound_by="weights",
    duration=54.1,
    interval={"ttft_s": (0.0732, 0.124), "tpot_s": (0.0108, 0.0143), "output_tokens_per_s": (1809.0, 2393.0)},
    assumptions=("all prompts are different",),
)
LOAD = Load(Tokens(600, 3000), Tokens(250, 250), concurrency=32, requests=320, prefix_hit=0.4)

LATENCIES = """\
           mean      p50      p95      p99   mean between
TTFT    95.1 ms  35.3 ms   418 ms   951 ms   73.2 ms .. 124 ms    time to the first token
TPOT    12.5 ms  12.3 ms  14.6 ms  17.9 ms   10.8 ms .. 14.3 ms   time per further token
ITL     12.2 ms  10.5 ms  16.6 ms  53.1 ms                        gap between two tokens
E2E      4.37 s   3.22 s   12.3 s    122 s                        whole request"""
RATES = """\
output tokens/s        2081   1809 .. 2393
total tokens/s         7727
requests/s             5.91
in the batch           25.5   requests on average
KV cache in use         15%   at most
preemptions               3
bound by            weights   reading the weights"""
MARKET = """\
m for chat · vLLM 0.33.0
load: prompt 600 (95 %: 3000), output 250 tokens, 32 in flight, 320 requests,
      40% of the prompt cached
targets: TTFT 1.00 s, TPOT 10.0 ms on average

          GPUs    TTFT    TPOT out tok/s per GPU  USD/h  USD/M  misses
h100-sxm     2 95.1 ms 12.5 ms      2081    1041   5.00   0.67  TPOT
l4           1 95.1 ms 12.5 ms      1041    1041      -      -  -

USD for a million output tokens
h100-sxm ############################################################# 0.67
l4       no price

Does not fit
  - a10g: not on 1, 2, 4 or 8 GPUs: too little memory

Assumptions
  - made up
"""


def offers() -> tuple[Offer, ...]:
    price = Price(2.5, "somebody", "2026-01-02", "https://example.org")
    half = replace(FOUND, output_tokens_per_s=1040.7)
    return (
        Offer(gpus.load("h100-sxm"), 2, None, FOUND, price, load=LOAD, misses=("TPOT",)),
        Offer(gpus.load("l4"), 1, None, half, None, load=LOAD),
        Offer(
            gpus.load("a10g"),
            8,
            None,
            None,
            None,
            why_not="OOM",
            reason="too little memory. Buy more.",
            tried=(1, 2, 4, 8),
        ),
    )


def market() -> Market:
    return Market("m", "chat", "0.33.0", LOAD, Targets(1.0, 0.01), offers(), "cost", ("made up",))


def test_latencies() -> None:
    assert "\n".join(performance_text.latency_lines(FOUND, 100)) == LATENCIES


def test_latencies_on_narrow_paper_leave_out_the_words() -> None:
    assert max(map(len, performance_text.latency_lines(FOUND, 80))) <= 80
    assert max(map(len, performance_text.latency_lines(FOUND, 40))) <= 40
    assert max(map(len, performance_text.rate_lines(FOUND, 40))) <= 40


def test_latencies_without_known_errors_name_no_interval() -> None:
    lines = list(performance_text.latency_lines(replace(FOUND, interval={}), 80))
    assert lines[0].endswith("p99")
    assert lines[1].split() == ["TTFT", "95.1", "ms", "35.3", "ms", "418", "ms", "951", "ms"]


def test_rates() -> None:
    assert "\n".join(performance_text.rate_lines(FOUND, 80)) == RATES


def test_a_load_in_one_sentence() -> None:
    assert performance_text.load_line(replace(LOAD, concurrency=None, rate=2.5, prefix_hit=0, requests=0)) == (
        "prompt 600 (95 %: 3000), output 250 tokens, 2.5 requests/s"
    )
    assert "all at once" in performance_text.load_line(replace(LOAD, concurrency=None, offline=True))


def test_the_document_of_a_performance() -> None:
    document = performance_json.performance(FOUND)
    assert document is not None
    assert list(document) == [
        *("ttft_s", "tpot_s", "itl_s", "e2e_s", "output_tokens_per_s", "total_tokens_per_s", "requests_per_s"),
        *("running_mean", "kv_use_max", "preemptions", "bound_by", "duration_s"),
    ]
    assert document["tpot_s"] == {"mean": 0.0125, "p50": 0.0123, "p95": 0.0146, "p99": 0.0179}
    assert performance_json.interval(FOUND)["tpot_s"] == [0.0108, 0.0143]
    assert performance_json.performance(None) is None
    assert performance_json.interval(None) == {}


def test_a_comparison_page() -> None:
    assert market_text.market(market(), Paper(80, unicode=False)).replace(" | ", " · ") == MARKET


def test_narrow_paper_has_fewer_columns() -> None:
    lines = list(market_text.table(market(), 60))
    assert max(map(len, lines)) <= 60
    assert "per GPU" not in lines[0]


def test_a_comparison_document() -> None:
    document = json.loads(market_json.market(market()))
    first, second, third = document["offers"]
    assert first["usd_per_million_output_tokens"] == pytest.approx(5 / (2081.4 * 3600 / 1e6))
    assert first["missed"] == ["TPOT"]
    assert second["price"] is None
    assert third["fits"] is False
    assert third["gpus"] is None


def test_colour_changes_no_words() -> None:
    plain, coloured = Page(Paper(80)), Page(Paper(80, color=True))
    for page in (plain, coloured):
        page.headline("head")
        page.line("label: ", "some words that follow")
    assert "\x1b" in coloured.text()
    assert "\x1b" not in plain.text()
