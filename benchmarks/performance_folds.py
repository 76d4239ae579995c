"""Held-out folds of the truth rows, and what is predicted for each row by coefficients that never saw it.

gpu            every GPU in turn, with all its rows of all sources
model          every model in turn, with all models of the same layers and sizes: quantised siblings and finetunes
source         every source in turn
own            a fifth of the deployments of each GPU in turn: servers as they were configured, with all their loads
layout         the same with a model on a GPU in one layout, with every release and setting that it was measured with
architecture   every GPU architecture in turn, with all its GPUs

Never random rows: runs of one deployment say nearly the same. Each fold is fitted anew, from the fit to all rows.
Replays do not depend on coefficients where requests come in a closed loop or at once. Where they come in time, a row is
replayed again with the coefficients of its fold.
"""

from __future__ import annotations

import json
import sys
from collections import Counter, defaultdict
from dataclasses import dataclass, replace
from multiprocessing import get_context
from typing import TYPE_CHECKING
from zlib import crc32

import numpy as np
from benchmarks.performance_priors import prior_values
from benchmarks.performance_results import OFFLINE, OFFLINE_AMD, ONLINE, OWN_RUNS, Label
from benchmarks.performance_rows import is_sound
from benchmarks.speed_bounds import bounds_of

from benchmarks import performance_baselines, performance_fit, performance_traces
from llmtune.calc.step_costs import generation

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from benchmarks.performance_baselines import Roofline
    from benchmarks.performance_rows import Row
    from benchmarks.performance_traces import Data

    from llmtune.calc.simulation import Trace

LAYOUT = ("tensor-parallel-size", "pipeline-parallel-size", "data-parallel-size", "enable-expert-parallel")
PARTS = 5
BASELINED = ("gpu", "model")  # folds that the three shares are fitted to as well
# From the fit to all rows; after 6 rounds what is held out is still remembered (0.3 points of TPOT), after 20 it does
# not matter whether one starts there or at the priors.
ROUNDS, FEW_ROUNDS = 20, 10
FEW = 0.02  # of the rows: where so few are held out, fewer rounds are enough
FULL_ROUNDS = 15
GUESSED = frozenset({"prompt", "prefix", "gpu"})  # what a row is no judge without
SATURATED = 0.9  # of the requests that come are served
BANDS = ((4, "1-4"), (16, "5-16"), (64, "17-64"), (256, "65-256"))

Found = dict[str, np.ndarray]


@dataclass(frozen=True)
class Fold:
    """Rows that are predicted by coefficients fitted to the others."""

    kind: str
    name: str
    held: np.ndarray


@dataclass
class Work:
    """All that a process needs for a fold."""

    data: Data
    train: np.ndarray  # rows that coefficients are fitted to
    full: dict[str, float]  # coefficients fitted to all of them
    lines: list[Roofline]
    shares: tuple[float, ...]


_work: list[Work] = []  # of this process; forked, not sent


def replay_all(rows: Sequence[Row], workers: int) -> dict[str, Trace | str]:
    """The traces of all rows, at the priors' costs."""
    values = prior_values()
    by_key: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        by_key[row.key].append(row)
    tasks = [(group, values) for group in by_key.values()]
    found: dict[str, Trace | str] = {}
    with get_context("fork").Pool(workers) as pool:
        for part in pool.imap_unordered(_replay, tasks, chunksize=4):
            found.update(part)
    return found


def _replay(task: tuple[list[Row], Mapping[str, float]]) -> dict[str, Trace | str]:
    return performance_traces.replay(*task)


def may_fit(rows: Iterable[Row]) -> np.ndarray:
    """Which rows coefficients are fitted to, as ``tools/fit_performance.py`` chooses them."""
    return np.array([_may_fit(row) for row in rows])


def _may_fit(row: Row) -> bool:
    return row.source in performance_fit.SOURCES and is_sound(row)


def make_folds(rows: Sequence[Row], kinds: Iterable[str]) -> list[Fold]:
    """All folds of these kinds, the largest first."""
    folds = []
    for kind in kinds:
        keys = _keys(rows, kind)
        folds += [Fold(kind, name, np.array([key == name for key in keys])) for name in sorted(set(keys))]
    return sorted(folds, key=lambda fold: -int(fold.held.sum()))


def _keys(rows: Sequence[Row], kind: str) -> list[str]:
    match kind:
        case "gpu":
            return [row.gpu for row in rows]
        case "model":
            return shapes(rows)
        case "source":
            return [row.source.partition("-")[0] for row in rows]  # tables of one lab are one source
        case "architecture":
            return [str(row.site.hardware.gpu.architecture) for row in rows]
        case "layout":
            return _deal(rows, [_layout(row) for row in rows])
        case _:
            return _deal(rows, [row.key for row in rows])


def shapes(rows: Sequence[Row]) -> list[str]:
    """For each row the name of its model and of all that have the same layers: that of most rows."""
    sizes = [(m.layers, m.hidden, m.heads, m.kv_heads) for m in (row.site.model for row in rows)]
    names: dict[tuple[int, ...], Counter[str]] = defaultdict(Counter)
    for size, row in zip(sizes, rows, strict=True):
        names[size][row.model.split("/")[-1]] += 1
    return [names[size].most_common(1)[0][0] for size in sizes]


def _layout(row: Row) -> str:
    return json.dumps([row.model, row.gpu, row.gpus, *(row.settings.get(flag) for flag in LAYOUT)])


def _deal(rows: Sequence[Row], keys: Sequence[str]) -> list[str]:
    """A number for each row: what has one key goes together, dealt out by GPU in an order that means nothing."""
    by_gpu: dict[str, set[str]] = defaultdict(set)
    for key, row in zip(keys, rows, strict=True):
        by_gpu[row.gpu].add(key)
    dealt = {}
    for found in by_gpu.values():
        for place, key in enumerate(sorted(found, key=lambda text: crc32(text.encode()))):
            dealt[key] = str(place % PARTS)
    return [dealt[key] for key in keys]


def predict_held_out(data: Data, kinds: Sequence[str], workers: int) -> dict[str, Found]:
    """Predictions of every row by method: each kind of fold, in sample (``fit``), and the baselines."""
    train = may_fit(data.rows)
    full = performance_fit.fit(data, train, rounds=FULL_ROUNDS)
    data = replay_again(data, full)
    full = performance_fit.fit(data, train, start=full, rounds=ROUNDS)
    lines = performance_baselines.rooflines(data)
    shares = performance_baselines.fit(data, lines, train)
    work = Work(data, train, full, lines, shares)
    nothing = {name: np.full(len(data.rows), np.nan) for name in performance_fit.NOISE}
    methods = {name: {q: array.copy() for q, array in nothing.items()} for name in _methods(kinds)}
    everything = np.ones(len(data.rows), bool)
    methods["fit"] = _predict(work, everything, full)
    methods["datasheet"] = performance_baselines.predict(data, lines, performance_baselines.DATASHEET)
    methods["thumb"] = performance_baselines.rule_of_thumb(data.rows)
    with get_context("fork").Pool(workers, initializer=_begin, initargs=(work,)) as pool:
        for fold, ours, three in pool.imap_unordered(_run, make_folds(data.rows, kinds)):
            print(f"{fold.kind}: {fold.name}", file=sys.stderr, flush=True)
            for quantity in nothing:
                methods[fold.kind][quantity][fold.held] = ours[quantity][fold.held]
                if f"three/{fold.kind}" in methods:
                    methods[f"three/{fold.kind}"][quantity][fold.held] = three[quantity][fold.held]
    return methods


def replay_again(data: Data, values: Mapping[str, float]) -> Data:
    """The same with new traces, at these costs, of deployments with requests that come in time."""
    keys = {row.key for row in data.rows if row.load.rate is not None}
    places = [place for place, row in enumerate(data.rows) if row.key in keys]
    rows = [data.rows[place] for place in places]
    again = performance_traces.prepare(rows, performance_traces.replay(rows, values), values)
    kept = [group for group in data.groups if data.rows[group.rows[0]].key not in keys]
    renewed = [replace(group, rows=[places[row] for row in group.rows]) for group in again.groups]
    return replace(data, groups=[*kept, *renewed])


def _methods(kinds: Sequence[str]) -> list[str]:
    return [*kinds, *(f"three/{kind}" for kind in kinds if kind in BASELINED)]


def _begin(work: Work) -> None:
    _work[:] = [work]


def _run(fold: Fold) -> tuple[Fold, Found, Found]:
    """What is said of a fold's rows by our model and by three shares, both without having seen them."""
    (work,) = _work
    train = work.train & ~fold.held
    values, shares = work.full, work.shares
    forgotten = (work.train & fold.held).sum()
    if forgotten:
        rounds = ROUNDS if forgotten > FEW * work.train.sum() else FEW_ROUNDS
        values = performance_fit.fit(work.data, train, start=work.full, rounds=rounds)
        shares = performance_baselines.fit(work.data, work.lines, train)
    return fold, _predict(work, fold.held, values), performance_baselines.predict(work.data, work.lines, shares)


def _predict(work: Work, held: np.ndarray, values: Mapping[str, float]) -> Found:
    """Predictions of all rows; those that are held and whose requests come in time are replayed."""
    found = performance_fit.predict(work.data, values)
    places = [place for place in np.flatnonzero(held) if work.data.rows[place].load.rate is not None]
    rows = [work.data.rows[place] for place in places]
    data = performance_traces.prepare(rows, performance_traces.replay(rows, values), values)
    again = performance_fit.predict(data, values)
    for quantity, array in found.items():
        array[places] = again[quantity]
    return found


def label_all(data: Data) -> list[Label]:
    """What every row counts as."""
    return [_label(row, shape) for row, shape in zip(data.rows, shapes(data.rows), strict=True)]


def _label(row: Row, shape: str) -> Label:
    gpu = row.site.hardware.gpu
    return Label(
        source=row.source,
        model=row.model.split("/")[-1],
        shape=shape,
        gpu=row.gpu,
        chip=str(gpu.architecture),
        generation=generation(row.site),
        part=_part(row, gpu.vendor),
        band=_band(row),
        moe=bool(bounds_of(row.key).work.experts),
        fitted=_may_fit(row),
        known=_is_known(row),
        busy=_busy(row),
    )


def _part(row: Row, vendor: str) -> str:
    if not is_sound(row):
        return OWN_RUNS
    if row.arrivals.batch is None:
        return ONLINE
    return OFFLINE_AMD if vendor == "amd" else OFFLINE


def _is_known(row: Row) -> bool:
    """Whether load and machine are told, figures are means, and no setting is beyond the model (V0's multi-step)."""
    steps = int(row.settings.get("num-scheduler-steps", 1))
    return row.statistic != "median" and steps == 1 and not GUESSED & set(row.assumed)


def _busy(row: Row) -> bool:
    """Whether the throughput is what the server can do: requests that come in time are not all served in it."""
    rate, served = row.arrivals.rate, row.measured.get("req_s")
    return rate is None or (served is not None and served < SATURATED * rate)


def _band(row: Row) -> str:
    given = row.arrivals
    if given.rate is not None:
        return "rate"
    together = given.concurrency or given.batch or given.requests or 1
    return next((name for most, name in BANDS if together <= most), "over 256")
