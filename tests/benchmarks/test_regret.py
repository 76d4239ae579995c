"""What is lost by choosing by prediction: the choice, the regret, missed limits, and the tables on a few rows."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from statistics import fmean

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.performance_rows import load_pairs, load_rows
from benchmarks.regret_pairs import believed, pair_table

from benchmarks import regret
from llmtune.catalog.coefficients import load_coefficients


def test_perfect_predictions_lose_nothing_and_miss_no_limit() -> None:
    rows = load_rows("inferencex", usable=True)
    grids = regret.make_grids(rows)
    options = [one for every in grids.values() for one in every]
    exact = {one.row.id: regret.Predicted(one.tpot, one.per_gpu * one.row.gpus) for one in options}
    for limit in regret.LIMITS:
        found = regret.choices(grids, exact, limit, 0.0)  # 3 % above still counts as met
        assert found
        assert not any(choice.missed for choice in found)
        assert fmean(choice.regret for choice in found) < 0.01  # one is measured at the limit itself


def test_a_wide_spread_keeps_away_from_the_limit() -> None:
    rows = load_rows("inferencex", usable=True)
    options = next(every for every in regret.make_grids(rows).values() if len(every) > 5)
    exact = {one.row.id: regret.Predicted(one.tpot, one.per_gpu * one.row.gpus) for one in options}
    ordered = sorted(options, key=lambda one: one.tpot)
    limit = ordered[len(ordered) // 2].tpot
    near = regret.choose(options, exact, limit, 0.0)
    far = regret.choose(options, exact, limit, 0.5)
    assert far.tpot <= near.tpot or far.per_gpu <= near.per_gpu


def test_gpus_and_batches_of_the_tables_are_chosen_well() -> None:
    rows = [row for row in load_rows("infpop", usable=True) if row.gpu == "a100-sxm-40gb" and "starcoder2" in row.model]
    text = regret.batch_table(rows, regret.predict_rows(rows, load_coefficients(), replay=True), worst=1)
    assert float(text.partition("mean regret ")[2].partition("%")[0]) < 5


def test_pairs_are_told_by_direction() -> None:
    pairs = [pair for pair in load_pairs() if pair.metric == "total_tok_s"][:6]
    exact = {}
    for pair in pairs:
        exact[pair.before.id] = regret.Predicted(0.01, pair.before_value)
        exact[pair.after.id] = regret.Predicted(0.01, pair.after_value)
    assert "direction right in 100%" in pair_table(pairs, exact, worst=2)


def test_pairs_of_impossible_measurements_are_not_judged() -> None:
    pair = next(pair for pair in load_pairs() if pair.metric == "total_tok_s" and pair.before.arrivals.means)
    doubted = replace(pair.before, id="doubted", measured={"total_tok_s": 1e9})
    assert believed([pair, replace(pair, before=doubted)]) == [pair]
