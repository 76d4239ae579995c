"""Predicted against measured speed, always by coefficients that never saw the row's GPU, model, source or deployment.

    python -m benchmarks.performance [--folds gpu,model,source,own,architecture] [--write] [--workers 2]

Prints what the page says: the goals, baselines on the same rows, errors by source, GPU, model, engine and load, whether
intervals hold, what was left out and why. ``--write`` puts the figures into ``data/performance_results.json`` and the
section into ``docs/concepts/accuracy.md``. Needs numpy and scipy; takes ten to twenty minutes on two cores.

Modules: ``performance_folds`` (what is held out), ``performance_baselines``, ``performance_results`` (errors and
intervals), ``performance_page`` (the section). ``find_errors`` gives the intervals as coefficients.
"""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING

os.environ.setdefault("OMP_NUM_THREADS", "1")  # processes share the cores already

import numpy as np
from benchmarks.performance_results import FOLDS, Result, find_errors, save
from benchmarks.performance_rows import load_rows
from benchmarks.speed_of_light import audit, keep, table

from benchmarks import performance_folds, performance_page, performance_priors, performance_traces

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from benchmarks.performance_folds import Found
    from benchmarks.performance_traces import Data

__all__ = ["find_errors", "measure"]


def main() -> None:
    """Run, print and perhaps write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folds", default=",".join(FOLDS), help="what is left out in turn")
    parser.add_argument("--write", action="store_true", help="write the figures and the page's section")
    parser.add_argument("--workers", type=int, default=2, help="processes")
    chosen = parser.parse_args()
    kinds = chosen.folds.split(",")
    unknown = set(kinds) - set(FOLDS)
    if unknown:
        parser.error(f"no such fold: {', '.join(sorted(unknown))}; there are {', '.join(FOLDS)}")
    if chosen.write and set(kinds) != set(FOLDS):
        parser.error("--write needs all folds: the page shows them all")
    rows = load_rows(usable=True)
    found = audit(rows)
    kept = keep(rows, found)
    traces = performance_folds.replay_all(kept, chosen.workers)
    data = performance_traces.prepare(kept, traces, performance_priors.prior_values())
    results, hygiene = measure(data, kinds, chosen.workers), list(table(rows, found))
    if chosen.write:
        save(results, hygiene)
        performance_page.write()
    print(performance_page.render(results, hygiene))


def measure(data: Data, kinds: Sequence[str] = tuple(FOLDS), workers: int = 2) -> list[Result]:
    """What every method predicted of every measurement."""
    methods = performance_folds.predict_held_out(data, kinds, workers)
    predicted = {name: _quantities(data, found) for name, found in methods.items()}
    measured = _quantities(data, data.measured)
    results = []
    for place, label in enumerate(performance_folds.label_all(data)):
        for quantity, values in measured.items():
            if np.isfinite(values[place]):
                ratios = {name: float(found[quantity][place] / values[place]) for name, found in predicted.items()}
                known = {name: ratio for name, ratio in ratios.items() if np.isfinite(ratio)}
                results.append(Result(label, quantity, known))
    return results


def _quantities(data: Data, found: Mapping[str, np.ndarray]) -> Found:
    """With the mean time of a request, which follows from the two latencies."""
    further = np.array([row.arrivals.means[1] - 1 if row.arrivals.means else np.nan for row in data.rows])
    return {
        "tpot": found["tpot"],
        "ttft": found["ttft"],
        "e2e": found["ttft"] + further * found["tpot"],
        "throughput": found["rate"],
    }


if __name__ == "__main__":
    main()
