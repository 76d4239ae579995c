"""From the options of ``recommend`` to what it chooses by: objective, targets, price, GPU counts, other checkpoints."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from llmtune.cli.errors import UserError
from llmtune.cli.loads import LoadOptions, check_arrivals, read_rate
from llmtune.spec.performance import Load
from llmtune.spec.record import dataclass

if TYPE_CHECKING:
    from llmtune.calc.candidates import Request
    from llmtune.calc.objective import Goal
    from llmtune.spec.hardware import Gpu
    from llmtune.spec.model import Model
    from llmtune.spec.offer import Price
    from llmtune.spec.scenario import Scenario

OBJECTIVES = ("throughput", "latency", "cost")
TIME = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)\s*(ms|s)")
RANGE = re.compile(r"([0-9]{1,4})\s*(?:-|\.\.)\s*([0-9]{1,4})")
MOST_SIBLINGS = 4
DEAREST = 10_000.0  # USD per GPU and hour
YOURS = "--price"


@dataclass(frozen=True, slots=True)
class GoalOptions:
    """The options as they were typed; None where nothing was said."""

    objective: str | None = None
    ttft: str | None = None
    tpot: str | None = None
    rate: str | None = None
    concurrency: int | None = None
    price: float | None = None

    def check(self) -> None:
        """Refuse what makes no sense before anything is calculated.

        Raises:
            UserError: naming the option.

        """
        if self.objective is not None and self.objective not in OBJECTIVES:
            raise UserError(f"--objective must be one of {', '.join(OBJECTIVES)}, not '{self.objective}'")
        if self.price is not None and not 0 < self.price <= DEAREST:
            raise UserError(f"--price is USD per GPU and hour, above 0 and up to {DEAREST:.0f}, not {self.price:g}")
        if self.rate is not None:
            check_arrivals(LoadOptions(rate=self.rate, concurrency=self.concurrency))

    def scenario(self, scenario: Scenario) -> Scenario:
        """The scenario with these targets and, where a rate is given, the requests in flight that it leads to."""
        targets = scenario.targets
        ttft = targets.ttft if self.ttft is None else read_time("--ttft", self.ttft)
        tpot = targets.tpot if self.tpot is None else read_time("--tpot", self.tpot)
        scenario = replace(scenario, targets=replace(targets, ttft=ttft, tpot=tpot))
        if self.rate is None:
            return scenario
        from llmtune.cli.loads import AskedLoad  # noqa: PLC0415 - only with a rate
        from llmtune.cli.scenarios import scenario_with  # noqa: PLC0415

        return scenario_with(AskedLoad(self.load(scenario), scenario, completed=False, notes=()))

    def load(self, scenario: Scenario) -> Load:
        """The requests: arrivals at a rate, or the scenario's number in flight."""
        work = scenario.workload
        if self.rate is not None:
            return Load(work.prompt, work.output, rate=read_rate(self.rate))
        return Load(work.prompt, work.output, concurrency=work.concurrency)


def read_time(option: str, text: str) -> float:
    """Seconds.

    >>> read_time("--ttft", "500ms"), read_time("--ttft", "1.5 s")
    (0.5, 1.5)

    """
    found = TIME.fullmatch(text.strip().casefold())
    seconds = float(found[1]) / (1000 if found[2] == "ms" else 1) if found else 0.0
    if seconds <= 0:
        raise UserError(f"{option} '{text}' is no time: write 500ms or 0.5s")
    return seconds


def read_counts(text: str | None) -> tuple[int, ...]:
    """GPUs in each node: one number, or those of a range that are worth trying; empty where nothing was said.

    >>> read_counts("4"), read_counts("1-8"), read_counts("2-6")
    ((4,), (1, 2, 4, 8), (2, 4, 6))

    """
    if text is None:
        return ()
    found = RANGE.fullmatch(text.strip())
    if found is None:
        try:
            return (int(text),)
        except ValueError:
            raise UserError(f"invalid value for '--gpus': '{text}' is no number, and no range such as 1-8") from None
    low, high = int(found[1]), int(found[2])
    if not 1 <= low <= high:
        raise UserError(f"--gpus {text}: a range goes from a number above 0 to a larger one, e.g. 1-8")
    powers = [1 << power for power in range(high.bit_length()) if low < 1 << power < high]
    return tuple(dict.fromkeys((low, *powers, high)))


def find_goal(options: GoalOptions, scenario: Scenario, gpu: Gpu) -> Goal:
    """What to choose by."""
    from llmtune.calc.objective import Goal, default_objective  # noqa: PLC0415 - not with --quick
    from llmtune.catalog.coefficients import load_coefficients  # noqa: PLC0415

    return Goal(
        objective=options.objective or default_objective(scenario.policy.aim),
        targets=scenario.targets,
        load=options.load(scenario),
        coefficients=load_coefficients(),
        price=_price(options, gpu),
    )


def _price(options: GoalOptions, gpu: Gpu) -> Price | None:
    from llmtune.spec.offer import Price  # noqa: PLC0415 - not with --quick

    if options.price is not None:
        return Price(options.price, YOURS)
    if options.objective != "cost":
        return None  # nobody asked
    from llmtune.catalog.prices import load_prices  # noqa: PLC0415 - only for costs

    return load_prices().get(gpu.name)


def with_counts(asked: Request, counts: tuple[int, ...]) -> list[Request]:
    """The request for each number of GPUs, the fewest first."""
    if len(counts) <= 1:
        return [asked]
    return [replace(asked, hardware=replace(asked.hardware, gpus_per_node=count)) for count in counts]


def with_siblings(requests: list[Request]) -> list[Request]:
    """The requests, and behind them the same for quantised checkpoints: one a method, the publisher's own first."""
    from llmtune.catalog import models  # noqa: PLC0415 - only where they are allowed
    from llmtune.cli.judge import load_model  # noqa: PLC0415

    model = requests[0].model
    if model.quantization is not None or model.id not in models.names():
        return requests
    publisher = model.id.partition("/")[0]
    names = sorted(models.siblings(model.id), key=lambda name: (name.partition("/")[0] != publisher, name))
    chosen: dict[str, Model] = {}
    for sibling in (load_model(name, offline=True) for name in names):
        if sibling.quantization is not None:
            chosen.setdefault(sibling.quantization, sibling)
    several = list(chosen.values())[:MOST_SIBLINGS]
    return [*requests, *(replace(request, model=other) for other in several for request in requests)]
