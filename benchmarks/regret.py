"""What is lost by choosing a configuration by prediction, against the best that was measured.

    python -m benchmarks.regret [--coefficients FILE] [--spread 0.01] [--replay] [--folds gpu,model] [--worst 5]
                                [--write]

grids    InferenceX, its plausible runs (``speed_of_light``): rows of one model, GPU, release and lengths; the choice of
         layout and concurrency with the most output tokens/s of one GPU whose TPOT stays under a limit. Regret is
         1 - measured(choice) / measured(best that meets the limit); a limit is missed where the measured TPOT is more
         than 5 % above it. The choice is that of ``recommend``: throughput x chance of meeting the limit, with the
         predictions' ``spread`` (0: as if exact).
batches  the tables of 2408.01050: the choice of GPU count and batch with the most tokens/s of one GPU.
pairs    before and after a change of flags, engine or layout, both measured plausibly: whether the predicted direction
         is the measured one where that is more than 5 %; and what is lost where the engine's own values were kept or
         left by prediction.

``FILE`` holds coefficients by name (values, or entries as in the catalogue); without it the catalogue's are used, which
were fitted to these rows too. ``--folds`` adds what is chosen by coefficients that never saw the GPU, model, source or
deployment (``performance_folds``; needs numpy and scipy, takes minutes). Grids by closed forms, or with ``--replay`` as
``simulate`` predicts them. ``--write`` keeps the tables in ``data/regret.txt``, for ``docs/concepts/accuracy.md``.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from math import isfinite, log
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING

from benchmarks.performance_rows import Row, is_sound, load_pairs, load_rows, memory_of
from benchmarks.regret_pairs import believed, pair_table
from benchmarks.speed_of_light import keep

from llmtune.calc.closed_form import forecast
from llmtune.calc.errors import Refused
from llmtune.calc.objective import MET, SPREAD, log_met
from llmtune.calc.predict import describe_server
from llmtune.calc.simulation import simulate
from llmtune.catalog.coefficients import load_coefficients
from llmtune.spec.coefficients import Coefficient, Coefficients

if TYPE_CHECKING:
    from collections.abc import Iterable

    from llmtune.calc.simulation import Server

WRITTEN = Path(__file__).parent / "data" / "regret.txt"
LIMITS = (0.010, 0.015, 0.020, 0.030, 0.050)  # seconds a token
MISSED = 1.05  # of the limit
FEWEST = 4  # options of a grid
EXACT = 1e-3  # instead of no spread at all


@dataclass(frozen=True, slots=True)
class Predicted:
    """Means of one run: seconds a token, output tokens/s of all GPUs."""

    tpot: float
    rate: float


@dataclass(frozen=True, slots=True)
class Option:
    """One configuration of a grid, with what repeated runs measured on average."""

    name: str
    row: Row
    tpot: float
    per_gpu: float


@dataclass(frozen=True, slots=True)
class Choice:
    """What was chosen in one grid: tokens/s of one GPU beside the best, and the TPOT beside the limit."""

    grid: str
    chosen: Option
    best: Option
    limit: float

    @property
    def missed(self) -> bool:
        """Whether the measured TPOT is above the limit."""
        return self.chosen.tpot > MISSED * self.limit

    @property
    def regret(self) -> float:
        """What is lost; nothing where the choice is faster than the best, because it is just above the limit."""
        return max(0.0, 1 - self.chosen.per_gpu / self.best.per_gpu)


Predictor = Callable[[Sequence[Row], bool], Mapping[str, Predicted]]  # rows, and whether to replay them


def predict_rows(rows: Iterable[Row], coefficients: Coefficients, *, replay: bool) -> dict[str, Predicted]:
    """Predictions by row id; without those that the engine would refuse."""
    found: dict[str, Predicted] = {}
    servers: dict[str, Server | None] = {}
    for row in rows:
        try:
            if row.key not in servers:
                servers[row.key] = None
                servers[row.key] = describe_server(row.site, memory_of(row.key), coefficients)
            server = servers[row.key]
            if server is not None:
                found[row.id] = _predict(server, row, replay=replay)
        except (Refused, ValueError):
            continue
    return found


def _predict(server: Server, row: Row, *, replay: bool) -> Predicted:
    if replay:
        result = simulate(server, row.load)
        return Predicted(result.tpot.mean, result.output_tokens_per_s)
    speed = forecast(server, row.load)
    return Predicted(speed.tpot, speed.output_tokens_per_s)


def make_grids(rows: Iterable[Row]) -> dict[str, list[Option]]:
    """Options by grid; repeated runs of one configuration are one option."""
    runs: dict[str, dict[str, list[Row]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        load = row.arrivals
        grid = f"{row.model} {row.gpu} {row.engine} {load.prompt}/{load.output}"
        runs[grid][f"{row.key} c{load.concurrency}"].append(row)
    grids = {}
    for grid, options in runs.items():
        found = [_option(same) for same in options.values()]
        if len(found) >= FEWEST:
            grids[grid] = found
    return grids


def _option(rows: Sequence[Row]) -> Option:
    row = rows[0]
    means = row.arrivals.means
    assert means is not None
    tpot, ttft = (fmean(one.measured[name] for one in rows) for name in ("tpot_s", "ttft_s"))
    rate = (row.arrivals.concurrency or 1) * means[1] / (ttft + (means[1] - 1) * tpot)
    return Option(f"{row.gpus} GPUs c{row.arrivals.concurrency}", row, tpot, rate / row.gpus)


def choose(options: Sequence[Option], predicted: Mapping[str, Predicted], limit: float, spread: float) -> Option:
    """The option with the most predicted tokens/s of one GPU, times the chance that its TPOT meets the limit."""

    def log_worth(one: Option) -> float:
        found = predicted[one.row.id]
        return log(found.rate / one.row.gpus) + log_met(found.tpot / (MET * limit), max(spread, EXACT))

    return max(options, key=log_worth)


def choices(
    grids: Mapping[str, Sequence[Option]], predicted: Mapping[str, Predicted], limit: float, spread: float
) -> list[Choice]:
    """The choice in every grid that something measured meets the limit in."""
    found = []
    for grid, every in grids.items():
        options = [one for one in every if one.row.id in predicted]
        meeting = [one for one in options if one.tpot <= limit]
        if meeting and len(options) >= FEWEST:
            best = max(meeting, key=lambda one: one.per_gpu)
            found.append(Choice(grid, choose(options, predicted, limit, spread), best, limit))
    return found


def grid_table(rows: Sequence[Row], predicted: Mapping[str, Predicted], spreads: Iterable[float], worst: int) -> str:
    """Regret and missed limits."""
    grids = make_grids(rows)
    lines = [f"{len(grids)} grids of layout x concurrency (InferenceX); regret where the limit is met, share missed"]
    lines.append(f"{'spread':>8}" + "".join(f"{f'{1000 * limit:.0f} ms':>16}" for limit in LIMITS) + f"{'all':>16}")
    for spread in spreads:
        sets = [choices(grids, predicted, limit, spread) for limit in LIMITS]
        every = [choice for one in sets for choice in one]
        lines.append(f"{spread:>8.0%}" + "".join(f"{_cell(one):>16}" for one in (*sets, every)))
        by_regret = sorted((one for one in every if not one.missed), key=lambda one: -one.regret)
        lines += [_tell(one, predicted) for one in by_regret[:worst]]
        lines += [_tell(one, predicted) for one in every if one.missed][:worst] if worst else []
    return "\n".join(lines)


def _cell(found: Sequence[Choice]) -> str:
    met = [one.regret for one in found if not one.missed]
    missed = sum(one.missed for one in found)
    return f"{fmean(met):.1%} {missed}/{len(found)}" if met else "-"


def _tell(one: Choice, predicted: Mapping[str, Predicted]) -> str:
    def side(option: Option) -> str:
        return f"{option.name} TPOT {1000 * predicted[option.row.id].tpot:.1f} (measured {1000 * option.tpot:.1f})"

    what = "missed" if one.missed else f"{one.regret:.0%}"
    return f"    {what} at {1000 * one.limit:.0f} ms: {one.grid}: {side(one.chosen)}; best {side(one.best)}"


def batch_table(rows: Sequence[Row], predicted: Mapping[str, Predicted], worst: int) -> str:
    """Regret of GPU count and batch, per GPU."""
    tables: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in rows:
        if row.id in predicted and "output_tok_s" in row.measured:
            tables[row.model, row.gpu].append(row)
    found = []
    for (model, gpu), options in tables.items():
        chosen = max(options, key=lambda row: predicted[row.id].rate / row.gpus)
        best = max(options, key=lambda row: row.measured["output_tok_s"] / row.gpus)
        ratio = (chosen.measured["output_tok_s"] / chosen.gpus) / (best.measured["output_tok_s"] / best.gpus)
        found.append((1 - ratio, f"    {1 - ratio:.1%} {model} {gpu}: {chosen.id}, best {best.id}"))
    regrets = [regret for regret, _ in found]
    lines = [f"{len(found)} tables of GPU count x batch (2408.01050), per GPU: mean regret {fmean(regrets):.1%}"]
    return "\n".join([*lines, *(text for _, text in sorted(found, reverse=True)[:worst])])


def read_coefficients(path: Path | None) -> Coefficients:
    """Coefficients of a file, or the catalogue's."""
    if path is None:
        return load_coefficients()
    given = json.loads(path.read_text(encoding="utf-8"))
    entries = given.get("coefficients", given)
    values = {name: entry["value"] if isinstance(entry, dict) else entry for name, entry in entries.items()}
    return Coefficients({name: Coefficient(value, "", value, value, "") for name, value in values.items()})


def tables(
    predict: Callable[[Sequence[Row], bool], Mapping[str, Predicted]], spreads: Sequence[float], worst: int
) -> str:
    """All three, for predictions of rows; the second argument asks for a replay."""
    pairs = believed(load_pairs())
    sides = list({row.id: row for pair in pairs for row in (pair.before, pair.after)}.values())
    grids, batches = keep(load_rows("inferencex", usable=True)), load_rows("infpop", usable=True)
    found = predict(grids, False)
    parts = [
        grid_table(grids, found, spreads, worst),
        "without runs whose settings are not published: "
        + grid_table([row for row in grids if is_sound(row)], found, spreads, 0),
        batch_table(batches, predict(batches, True), worst),
        pair_table(pairs, predict(sides, True), worst),
    ]
    return "\n\n".join(parts)


def held_out(kinds: Sequence[str], workers: int) -> dict[str, dict[str, Predicted]]:
    """Predictions of all rows by kind of fold, of coefficients that never saw them."""
    from benchmarks.performance_priors import prior_values

    from benchmarks import performance_folds, performance_traces

    rows = keep(load_rows(usable=True))
    traces = performance_folds.replay_all(rows, workers)
    data = performance_traces.prepare(rows, traces, prior_values())
    methods = performance_folds.predict_held_out(data, kinds, workers)
    return {
        kind: {
            row.id: Predicted(float(tpot), float(rate))
            for row, tpot, rate in zip(data.rows, methods[kind]["tpot"], methods[kind]["rate"], strict=True)
            if isfinite(rate) and (isfinite(tpot) or row.source == "infpop")
        }
        for kind in kinds
    }


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--coefficients", type=Path, help="JSON of coefficients; default: the catalogue's")
    parser.add_argument(
        "--spread", type=float, nargs="+", default=[0.0, SPREAD["tpot"]], help="deviation of log(predicted / measured)"
    )
    parser.add_argument("--replay", action="store_true", help="replay the grids: minutes instead of seconds")
    parser.add_argument("--worst", type=int, default=0, help="list so many of the worst of each kind")
    parser.add_argument("--folds", default="", help="what is left out in turn, e.g. gpu,model")
    parser.add_argument("--workers", type=int, default=2, help="processes")
    parser.add_argument("--write", action="store_true", help="keep the tables for the documentation")
    asked = parser.parse_args()
    given = read_coefficients(asked.coefficients)

    def predict(rows: Sequence[Row], replay: bool) -> Mapping[str, Predicted]:  # noqa: FBT001 - as Predictor has it
        return predict_rows(rows, given, replay=replay or asked.replay)

    said = [f"in sample\n{tables(predict, asked.spread, asked.worst)}"]
    kinds = [kind for kind in asked.folds.split(",") if kind]
    for kind, found in held_out(kinds, asked.workers).items() if kinds else ():
        said.append(f"{kind} left out\n{tables(partial(_known, found), asked.spread, asked.worst)}")
    print("\n\n".join(said))
    if asked.write:
        WRITTEN.write_text("\n\n".join(said) + "\n", encoding="utf-8")


def _known(found: Mapping[str, Predicted], _rows: Sequence[Row], _replay: bool) -> Mapping[str, Predicted]:  # noqa: FBT001
    return found


if __name__ == "__main__":
    main()
