"""Fits the coefficients of the step-time model to all measured runs and writes ``catalog/data/coefficients.json``.

    pip install numpy scipy
    python -m tools.fit_performance            # some minutes; twice replays every run

What is held out and what the errors are is for ``benchmarks/performance.py``, which runs the same fit on parts of the
rows. Relative errors of the predictions come from its last run (``benchmarks/data/performance_results.json``).
"""

from __future__ import annotations

import argparse
import json
from math import exp, log
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from benchmarks.performance_priors import load_priors, prior_values
from benchmarks.performance_rows import is_sound, load_rows
from benchmarks.performance_traces import Data, prepare, replay
from benchmarks.speed_of_light import keep

from benchmarks import performance_fit as engine
from llmtune.calc.step_costs import Rates, generation
from llmtune.spec.coefficients import Coefficients

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from benchmarks.performance_rows import Row

ROOT = Path(__file__).parents[1]
TARGET = ROOT / "src" / "llmtune" / "catalog" / "data" / "coefficients.json"
RESULTS = ROOT / "benchmarks" / "data" / "performance_results.json"
NONE = Coefficients({})
SIDES = 1.645  # deviations on both sides that hold 90 %
ABOUT = (
    "Coefficients of the step-time model (calc/step_costs.py), written by tools/fit_performance.py: priors from kernel "
    "tables (benchmarks/data/performance_priors.json), moved as far as measured runs demand. low and high hold 90 %."
)


def fitting_rows() -> list[Row]:
    """The rows that coefficients are fitted to."""
    return [row for source in engine.SOURCES for row in keep(load_rows(source, usable=True)) if is_sound(row)]


def fit_all(rows: Sequence[Row], rounds: int) -> tuple[Data, dict[str, float]]:
    """Replay and fit, then once more: where requests come by the clock, the replay depends on the costs."""
    values = prior_values()
    for _ in range(rounds):
        data = prepare(rows, replay(rows, values), values)
        values = engine.fit(data, np.ones(len(rows), bool))
    return data, values


def entries(data: Data, values: Mapping[str, float]) -> dict[str, dict[str, Any]]:
    """Every coefficient with its interval and evidence."""
    deviations = engine.deviations(data, np.ones(len(data.rows), bool), values)
    found = {}
    for name, prior in load_priors().items():
        value, deviation = values[name], deviations.get(name, prior["deviation"])
        moved = abs(log(value / prior["value"])) > 0.01  # noqa: PLR2004 - a change of 1 % is worth saying
        how = "fitted" if name in deviations else "moved with other chips"
        high = value * exp(SIDES * deviation)
        found[name] = {
            "value": float(f"{value:.5g}"),
            "unit": prior["unit"],
            "low": float(f"{value * exp(-SIDES * deviation):.4g}"),
            "high": float(f"{min(high, 1.0) if prior['unit'] == 'share' else high:.4g}"),
            "evidence": prior["evidence"] + (f"; {how}, was {prior['value']:.4g}" if moved else ""),
        }
    return found


def errors() -> dict[str, dict[str, Any]]:
    """Relative errors of the predictions, from the last run of the benchmark."""
    if not RESULTS.exists():
        return {}
    results = json.loads(RESULTS.read_text(encoding="utf-8"))
    evidence = "90 % of held-out measurements stay within; benchmarks/performance.py"
    return {
        name: {"value": value, "unit": "share", "low": value, "high": value, "evidence": evidence}
        for name, value in results["errors"].items()
    }


def measured_on(row: Row) -> str:
    """The chip and engine generation of a row."""
    engine = generation(row.site)
    return "/".join((*Rates(row.site.hardware, engine, NONE).chip, engine))


def main() -> None:
    """Fit and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=2, help="times to replay and fit")
    parser.add_argument("--errors-only", action="store_true", help="keep the coefficients, renew the relative errors")
    given = parser.parse_args()
    if given.errors_only:
        old = json.loads(TARGET.read_text(encoding="utf-8"))["coefficients"]
        found = {name: entry for name, entry in old.items() if not name.startswith("relative_error")}
    else:
        found = entries(*fit_all(fitting_rows(), given.rounds))
    found |= errors()
    measured = sorted({measured_on(row) for row in fitting_rows()})
    text = json.dumps({"about": ABOUT, "measured": measured, "coefficients": dict(sorted(found.items()))}, indent=1)
    TARGET.write_text(text + "\n", encoding="utf-8")
    print(f"{len(found)} coefficients in {TARGET.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
