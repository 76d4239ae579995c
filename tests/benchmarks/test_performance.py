"""Errors and intervals of speed, what is held out together, and that the page is what the figures say."""

from __future__ import annotations

import math
import sys
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.performance_results import (
    ERRORS,
    HELD_OUT,
    ONLINE,
    RESULTS,
    Label,
    Result,
    counts,
    coverage,
    find_errors,
    load,
    save,
    summarise,
)
from benchmarks.performance_rows import load_rows

from benchmarks import performance_page

LABEL = Label("a", "m", "m", "g", "hopper", "v1", ONLINE, "1-4", moe=False, fitted=True, known=True, busy=True)


def results(*ratios: float, label: Label = LABEL, quantity: str = "tpot") -> list[Result]:
    return [Result(label, quantity, dict.fromkeys((*HELD_OUT, "architecture"), ratio)) for ratio in ratios]


def test_the_page_is_made_of_the_figures() -> None:
    assert performance_page.section() in performance_page.PAGE.read_text(encoding="utf-8")


def test_the_catalogue_may_take_the_errors() -> None:
    found, _ = load()
    errors = find_errors(found)
    assert {f"relative_error/{name}" for name in ERRORS} <= set(errors)
    assert all(errors[f"relative_error/{name}/unseen"] >= errors[f"relative_error/{name}"] for name in ERRORS)
    for quantity in set(ERRORS.values()):
        inside, total = coverage([r for r in found if r.quantity == quantity and counts(r)], HELD_OUT, errors)
        assert 0.85 <= inside / total <= 0.97, quantity


def test_errors_by_hand() -> None:
    found = summarise(results(0.9, 1.0, 1.3), "gpu")
    assert found is not None
    assert (found.count, round(found.mean, 4), round(found.half, 4), found.bias) == (3, 0.1333, 0.1, 0.0)
    assert summarise(results(1.0), "own") is None


def test_an_interval_is_what_nine_in_ten_stay_below() -> None:
    near = results(*(1 + place / 100 for place in range(1, 11)))
    assert find_errors(near)["relative_error/tpot"] == 0.09
    assert find_errors(results(0.5))["relative_error/itl"] == 1.0  # twice as fast as predicted is as far as half
    assert coverage(near, ("gpu",), {"relative_error/tpot": 0.055}) == (5, 10)


def test_many_rows_of_one_group_do_not_outvote_others() -> None:
    many, few = results(*[1.1] * 64), results(2.0, label=replace(LABEL, source="b"))
    assert find_errors([*many, *few])["relative_error/tpot"] == 1.0  # 8 against 1: not quite nine in ten


def test_what_says_nothing_does_not_judge() -> None:
    assert not counts(results(1.0, label=replace(LABEL, known=False))[0])
    idle = replace(LABEL, busy=False)
    assert not counts(results(1.0, label=idle, quantity="throughput")[0])
    assert counts(results(1.0, label=idle)[0])


def test_figures_are_read_as_they_were_written(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    found = [*results(1.25), Result(LABEL, "ttft", {"gpu": 0.5})]
    save(found, ["a table"], path)
    assert load(path) == (found, ["a table"])


def test_the_figures_are_of_rows_that_there_are() -> None:
    labels = {(result.label.source, result.label.model, result.label.gpu) for result in load(RESULTS)[0]}
    assert labels <= {(row.source, row.model.split("/")[-1], row.gpu) for row in load_rows(usable=True)}


def test_folds_keep_together_what_says_the_same() -> None:
    pytest.importorskip("scipy")
    from benchmarks import performance_folds

    rows = load_rows("gpustack", usable=True) + load_rows("inferencex", usable=True)
    shapes = dict(zip((row.model for row in rows), performance_folds.shapes(rows), strict=True))
    assert shapes["moonshotai/Kimi-K2.5"] == shapes["nvidia/Kimi-K2.5-NVFP4"]
    assert shapes["Qwen/Qwen3-14B"] == shapes["Qwen/Qwen3-14B-AWQ"] != shapes["openai/gpt-oss-20b"]
    folds = performance_folds.make_folds(rows, ["own", "gpu"])
    assert sum(fold.held.astype(int) for fold in folds).tolist() == [2] * len(rows)
    for fold in folds:
        held = {(row.model, row.gpu, row.gpus) for row, out in zip(rows, fold.held, strict=True) if out}
        if fold.kind == "gpu":
            assert {gpu for _, gpu, _ in held} == {fold.name}


def test_a_chip_nobody_measured_moves_with_the_others() -> None:
    """Three runs on RTX 4090 and RTX PRO 6000: Hopper's coefficients follow where both went, AMD's stay."""
    pytest.importorskip("scipy")
    import numpy as np
    from benchmarks.performance_priors import ALIKE, load_priors, prior_values
    from benchmarks.performance_traces import prepare, replay

    from benchmarks import performance_fit as engine

    rows, priors, values = load_rows("llmservingsim", usable=True), load_priors(), prior_values()
    data = prepare(rows, replay(rows, values), values)
    found = engine.fit(data, np.ones(len(rows), bool))

    def moved(name: str) -> float:
        return math.log(found[name] / float(priors[name]["value"])) / float(priors[name]["deviation"])

    both = [moved(f"kv_bandwidth_share/heads/{chip}") for chip in ("ada", "blackwell-12")]
    assert abs(sum(both)) > 0.01
    followed = ALIKE * sum(both) / (1 + ALIKE)
    assert moved("kv_bandwidth_share/heads/hopper") == pytest.approx(followed, rel=1e-3)
    assert found["bandwidth_share/plain/cdna3"] == priors["bandwidth_share/plain/cdna3"]["value"]
    assert max(found[name] for name, prior in priors.items() if prior["unit"] == "share") <= 1.0001
