"""A scenario with the load that the options describe, for the commands that search for a deployment."""

from __future__ import annotations

from dataclasses import replace
from math import ceil
from typing import TYPE_CHECKING

from llmtune.spec.scenario import Workload

if TYPE_CHECKING:
    from llmtune.cli.loads import AskedLoad
    from llmtune.spec.scenario import Scenario

STAY = 10.0  # seconds that a request is taken to stay where only a rate is known; it bounds the batch, no more


def scenario_with(asked: AskedLoad) -> Scenario:
    """The scenario with the lengths of the load, and its requests in flight.

    With a rate the number in flight follows from how long requests stay (Little's law), which targets bound: time to
    the first token and per further token.
    """
    load, scenario = asked.load, asked.scenario
    work = scenario.workload
    in_flight = load.concurrency or work.concurrency
    if load.rate is not None:
        targets = scenario.targets
        stay = (targets.ttft or 0.0) + (targets.tpot or 0.0) * load.output.p50
        in_flight = max(1, ceil(load.rate * (stay or STAY)))
    if load.offline and load.requests:
        in_flight = load.requests
    return replace(scenario, workload=Workload(load.prompt, load.output, in_flight))
