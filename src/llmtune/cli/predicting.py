"""From an estimate and a load to a prediction, and from a prediction to text: what several commands share."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from llmtune.calc.load import count_requests
from llmtune.calc.predict import predict
from llmtune.calc.shares import Site
from llmtune.catalog.coefficients import load_coefficients
from llmtune.cli.judge import paper
from llmtune.cli.loads import MOST_REQUESTS, within_context
from llmtune.spec.simulation import Simulation

if TYPE_CHECKING:
    from collections.abc import Sequence

    from llmtune.cli.loads import AskedLoad
    from llmtune.spec.calibration import Record
    from llmtune.spec.memory import Memory
    from llmtune.spec.performance import Load, Performance
    from llmtune.spec.recommendation import Estimate


def simulate_load(estimate: Estimate, asked: AskedLoad, *, records: Sequence[Record] = ()) -> Simulation:
    """What a deployment does under a load; without a performance where it does not start.

    Raises:
        UserError: when typical requests do not fit in the context.

    """
    scenario = asked.scenario.name if asked.completed else ""
    if not estimate.memory.fits:
        return Simulation(estimate, asked.load, None, scenario, asked.notes)
    load, said = within_context(asked.load, estimate.resolved)
    load = replace(load, requests=min(MOST_REQUESTS, count_requests(load)))
    found = predict_load(estimate, load, records=records)
    return Simulation(estimate, load, found, scenario, (*asked.notes, *said))


def predict_load(estimate: Estimate, load: Load, *, records: Sequence[Record] = ()) -> Performance:
    """The performance of a deployment that starts."""
    site = Site(estimate.deployment, estimate.model, estimate.resolved, estimate.hardware, estimate.engine)
    return predict_site(site, estimate.memory, load, records=records)


def predict_site(site: Site, memory: Memory, load: Load, *, records: Sequence[Record] = ()) -> Performance:
    """The performance of a deployment with its memory plan, calibrated where a benchmark of it was kept."""
    coefficients = load_coefficients()
    factors = None
    if any(record.times for record in records):
        from llmtune.calc.timing import find_factors  # noqa: PLC0415 - only for those who have measured

        factors = find_factors(records, site, memory, coefficients)
    return predict(site, memory, load, coefficients, factors=factors)


def render_simulation(result: Simulation, format_: str, *, color: str, to_file: bool) -> str:
    """A prediction in the format that was asked for."""
    if format_ == "json":
        from llmtune.reports import performance_json  # noqa: PLC0415 - one of two

        return performance_json.simulation(result)
    from llmtune.reports import performance_text  # noqa: PLC0415

    return performance_text.simulation(result, paper(color, to_file=to_file))
