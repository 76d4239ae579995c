"""Impossible rows, planted among real ones, are found by rule."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.performance_rows import Arrivals, Row, load_rows
from benchmarks.speed_bounds import bounds_of
from benchmarks.speed_of_light import audit, keep

ROWS = {row.id: row for row in load_rows(usable=True)}
ONLINE = next(row for row in ROWS.values() if row.source == "inferencex" and row.gpu == "h100-sxm")
WIDE = next(row for row in ROWS.values() if row.source == "inferencex" and row.settings.get("max-num-seqs") == 512)
OFFLINE = next(row for row in ROWS.values() if row.source == "argonne" and row.gpu == "h100-sxm")
SENT = next(row for row in ROWS.values() if row.source == "iog" and row.gpu == "h100-pcie" and row.gpus == 1)
LOOP = Arrivals((1000, 1000), (1000, 1000), concurrency=64, requests=640)


def test_a_plausible_row_is_kept() -> None:
    assert audit([ONLINE, OFFLINE]) == []
    assert keep([ONLINE, OFFLINE]) == [ONLINE, OFFLINE]


@pytest.mark.parametrize(
    ("rule", "row"),
    [
        ("bandwidth", replace(ONLINE, measured={"tpot_s": 0.0001, "ttft_s": 0.1})),
        ("compute", replace(ONLINE, measured={"tpot_s": 0.1, "ttft_s": 0.00001})),
        ("throughput", replace(OFFLINE, measured={"total_tok_s": 1e7})),
        ("beyond-context", replace(OFFLINE, arrivals=Arrivals((90_000, 90_000), (90_000, 90_000), batch=1))),
    ],
)
def test_the_impossible_is_found(rule: str, row: Row) -> None:
    assert rule in [objection.rule for objection in audit([row])]
    assert keep([row]) == []


def test_fewer_requests_ran_than_were_sent() -> None:
    bounds = bounds_of(WIDE.key)
    least, alone = bounds.step(64, 1500), bounds.step(1, 1500)
    early = replace(WIDE, arrivals=LOOP, measured={"tpot_s": (least + alone) / 2, "ttft_s": 1.0})
    waiting = replace(WIDE, arrivals=LOOP, measured={"tpot_s": 2 * least, "ttft_s": 6000 * least + 100})
    late = replace(WIDE, arrivals=LOOP, measured={"tpot_s": 2 * least, "ttft_s": 1.0})
    found = audit([early, waiting, late])
    assert [objection.rule for objection in found] == ["admission", "admission"]


def test_a_throughput_survives_latencies_of_another_clock() -> None:
    row = replace(WIDE, arrivals=LOOP, statistic="mean", measured={"req_s": 1.0, "ttft_s": 0.5, "tpot_s": 0.02})
    assert [objection.rule for objection in audit([row])] == ["latencies"]
    assert keep([row])[0].measured == {"req_s": 1.0}


def test_a_copied_table_is_found() -> None:
    slow, fast = (
        [row for row in ROWS.values() if row.source == "infpop" and row.gpu == gpu and row.model == "microsoft/phi-1"]
        for gpu in ("v100-sxm2-32gb", "a100-sxm-40gb")
    )
    figures = {(row.gpus, row.arrivals): row.measured for row in fast}
    copied = [replace(row, measured=figures[row.gpus, row.arrivals]) for row in slow]
    found = audit([*fast, *copied])
    assert {objection.row.gpu for objection in found if objection.rule == "twin"} == {"v100-sxm2-32gb"}


def test_a_run_that_two_busier_ones_contradict_was_disturbed() -> None:
    """30 ms a token where 64 and 128 clients got theirs in 20 and 22 ms; one witness alone could be wrong itself."""
    slow, same, busy = (
        replace(WIDE, id=str(clients), arrivals=replace(LOOP, concurrency=clients), measured={"tpot_s": tpot})
        for clients, tpot in ((32, 0.030), (64, 0.020), (128, 0.022))
    )
    assert [(found.row.id, found.rule) for found in audit([slow, same, busy])] == [("32", "disturbed")]
    assert audit([slow, same]) == []
    longer = replace(slow, arrivals=replace(slow.arrivals, prompt=(4000, 4000)))
    assert audit([longer, same, busy]) == []


def test_requests_that_were_held_back_at_the_start_are_found() -> None:
    """640 prompts of 1000 tokens take 80 steps of 8192; first tokens that come evenly are half of the run late."""
    burst = Arrivals((1000, 1000), (10, 10), requests=640)
    even = replace(WIDE, arrivals=burst, measured={"req_s": 10.0, "ttft_s": 33.0})
    held = replace(WIDE, arrivals=burst, measured={"req_s": 10.0, "ttft_s": 45.0})
    assert audit([even]) == []
    assert [objection.rule for objection in audit([held])] == ["idle-start"]
    assert keep([held]) == []


def test_unequal_answers_of_a_burst_have_no_mean_tpot_to_go_by() -> None:
    measured = {"req_s": 10.0, "ttft_s": 20.0, "tpot_s": 0.1}
    burst = Arrivals((100, 800), (200, 600), requests=640)
    row = replace(WIDE, arrivals=burst, measured=measured)
    assert [objection.rule for objection in audit([row])] == ["short-answers"]
    assert set(keep([row])[0].measured) == {"req_s", "ttft_s"}
    assert audit([replace(row, arrivals=replace(burst, output=(400, 400)))]) == []


def test_answers_that_come_twice_as_fast_as_they_are_served_are_a_burst_too() -> None:
    measured = {"req_s": 5.0, "ttft_s": 10.0, "tpot_s": 0.1}
    row = replace(WIDE, arrivals=Arrivals((100, 800), (200, 600), rate=20.0, requests=640), measured=measured)
    assert "short-answers" in [objection.rule for objection in audit([row])]
    prompt = replace(row, measured={**measured, "ttft_s": 0.5})
    assert "short-answers" not in [objection.rule for objection in audit([prompt])]


def test_a_server_that_waits_while_idle_has_no_first_tokens_to_go_by() -> None:
    runs = [(1.0, 2.0), (4.0, 0.2), (8.0, 0.3)]
    rows = [
        replace(SENT, id=str(rate), arrivals=replace(SENT.arrivals, rate=rate), measured={"ttft_s": ttft})
        for rate, ttft in runs
    ]
    assert [objection.rule for objection in audit(rows)] == ["idle-wait"] * 3
    assert audit(rows[1:]) == []


def test_the_cache_is_full_at_the_peak_before_it_is_full_on_average() -> None:
    """200 requests that come in 12 s and are answered in 20 s each all run at once, for a part of the run."""
    small = next(row for row in ROWS.values() if row.source == "iog" and row.gpu == "rtx-4090" and row.room < 1)
    tokens = bounds_of(small.key).tokens
    assert tokens is not None
    length = tokens // 150
    load = Arrivals((length - 100, length - 100), (200, 200), rate=16.0, requests=200)
    measured = {"req_s": 5.0, "tpot_s": 20.0 / 199, "ttft_s": 0.1}
    row = replace(small, arrivals=load, measured=measured)
    assert [objection.rule for objection in audit([row])] == ["room"]
    assert audit([replace(row, arrivals=replace(load, rate=4.0), measured={**measured, "req_s": 3.9})]) == []


def test_what_was_sent_again_is_cached_where_all_of_it_had_room() -> None:
    resent = [row for row in ROWS.values() if row.arrivals.resent]
    assert {row.load.prefix_hit for row in resent} == {0.0, 1.0}
    assert all((row.load.prefix_hit == 1) == (row.room > 1) for row in resent)
    assert all(row.load.prefix_hit == 0 for row in ROWS.values() if not row.arrivals.resent)
