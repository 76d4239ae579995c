"""From an estimate and a load to a prediction, and from a prediction to text: what several commands share."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from llmtune.calc.arrivals import describe_arrivals
from llmtune.calc.load import count_requests
from llmtune.calc.predict import describe_server, finish
from llmtune.calc.runner import pools
from llmtune.calc.settings import Settings
from llmtune.calc.shares import Site
from llmtune.calc.simulation import simulate
from llmtune.calc.traits import generates
from llmtune.catalog.coefficients import load_coefficients
from llmtune.cli.errors import UserError
from llmtune.cli.judge import paper
from llmtune.cli.loads import MOST_REQUESTS, within_context
from llmtune.spec.simulation import Simulation

if TYPE_CHECKING:
    from collections.abc import Sequence

    from llmtune.cli.loads import AskedLoad
    from llmtune.spec.calibration import Record
    from llmtune.spec.deployment import Deployment
    from llmtune.spec.memory import Memory
    from llmtune.spec.model import Model
    from llmtune.spec.performance import Load, Performance
    from llmtune.spec.recommendation import Estimate
    from llmtune.spec.simulation import Arrivals

POOLING_TASKS = frozenset({"classify", "embed", "embedding", "reward", "score"})  # --task, until 0.10


def simulate_load(estimate: Estimate, asked: AskedLoad, *, records: Sequence[Record] = ()) -> Simulation:
    """What a deployment does under a load; without a performance where it does not start.

    Raises:
        UserError: when typical requests do not fit in the context, and for a model that does not generate.

    """
    check_generates(estimate.model, estimate.deployment)
    scenario = asked.scenario.name if asked.completed else ""
    if not estimate.memory.fits:
        return Simulation(estimate, asked.load, None, scenario, asked.notes)
    load, said = within_context(asked.load, estimate.resolved)
    load, counted = with_requests(load)
    found, arrivals = predict_both(site_of(estimate), estimate.memory, load, records=records)
    return Simulation(estimate, load, found, scenario, (*asked.notes, *said, *counted), arrivals)


def check_generates(model: Model, deployment: Deployment | None = None) -> None:
    """Refuse what has no time per token.

    Raises:
        UserError: for a model that embeds, classifies or scores.

    """
    settings = Settings(deployment) if deployment is not None else None
    asked = settings is not None and (pools(settings, model) or settings.text("task") in POOLING_TASKS)
    if asked or not generates(model):
        raise UserError(
            f"{model.id} embeds or classifies here and generates no text: times are predicted for generation only; "
            "llmtune estimate says whether it starts"
        )


def with_requests(load: Load, most: int = MOST_REQUESTS) -> tuple[Load, tuple[str, ...]]:
    """The load with the number of requests that are replayed, and what is to be said about that."""
    wanted = count_requests(load)
    count = min(most, wanted)
    notes = []
    if count < wanted:
        whose = "the run has" if load.requests else f"a steady state of {load.concurrency} in flight takes"
        notes.append(f"{whose} {wanted} requests, of which {count} are replayed: start and end of the run weigh more")
    if load.concurrency is not None and count < load.concurrency:
        notes.append(f"a run of {count} requests never has more than {count} in flight")
    return replace(load, requests=count), tuple(notes)


def site_of(estimate: Estimate) -> Site:
    """What step costs are worked out from."""
    return Site(estimate.deployment, estimate.model, estimate.resolved, estimate.hardware, estimate.engine)


def predict_load(estimate: Estimate, load: Load, *, records: Sequence[Record] = ()) -> Performance:
    """The performance of a deployment that starts.

    Raises:
        UserError: for a model that does not generate.

    """
    check_generates(estimate.model, estimate.deployment)
    return predict_both(site_of(estimate), estimate.memory, load, records=records, arrivals=False)[0]


def predict_both(
    site: Site, memory: Memory, load: Load, *, records: Sequence[Record] = (), arrivals: bool = True
) -> tuple[Performance, Arrivals | None]:
    """The performance of a deployment with its memory plan, calibrated where a benchmark of it was kept.

    With it what it does while requests come at a rate, unless nobody asks.
    """
    coefficients = load_coefficients()
    factors = None
    if any(record.times for record in records):
        from llmtune.calc.timing import find_factors  # noqa: PLC0415 - only for those who have measured

        factors = find_factors(records, site, memory, coefficients)
    server = describe_server(site, memory, coefficients, factors=factors)
    found = finish(simulate(server, load), site, coefficients, factors=factors)
    return found, describe_arrivals(server, load, found) if arrivals else None


def render_simulation(result: Simulation, format_: str, *, color: str, to_file: bool) -> str:
    """A prediction in the format that was asked for."""
    if format_ == "json":
        from llmtune.reports import performance_json  # noqa: PLC0415 - one of two

        return performance_json.simulation(result)
    from llmtune.reports import performance_text  # noqa: PLC0415

    return performance_text.simulation(result, paper(color, to_file=to_file))
