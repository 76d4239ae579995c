"""Compares GPUs for a model and a load: the smallest count of each that works, simulated and priced."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from llmtune.calc.candidates import Request
from llmtune.calc.search import recommend
from llmtune.calc.shares import Site
from llmtune.catalog import gpus as catalog
from llmtune.catalog.prices import load_prices
from llmtune.cli import judge
from llmtune.cli.errors import UserError
from llmtune.cli.loads import within_context
from llmtune.cli.predicting import predict_site
from llmtune.cli.scenarios import scenario_with
from llmtune.spec.hardware import Hardware
from llmtune.spec.offer import Market, Offer, Price
from llmtune.spec.record import dataclass

if TYPE_CHECKING:
    from collections.abc import Mapping

    from llmtune.cli.loads import AskedLoad
    from llmtune.cli.servers import Source
    from llmtune.spec.engine import EngineVersion
    from llmtune.spec.hardware import Gpu
    from llmtune.spec.model import Model
    from llmtune.spec.performance import Performance
    from llmtune.spec.scenario import Targets

COMMON = (
    "l4", "a10g", "l40s", "rtx-4090", "a100-sxm-80gb", "h100-sxm", "h200-sxm", "b200", "mi300x", "mi325x",
)  # fmt: skip
COUNTS = (1, 2, 4, 8)
MOST_GPUS = 32  # kinds of GPUs in one comparison
PRICE = re.compile(r"([^=,]+)=\s*\$?([0-9]{1,6}(?:\.[0-9]{1,6})?)\s*")
YOURS = "--price"


@dataclass(frozen=True, slots=True)
class Choice:
    """What is compared: GPUs, how many of each at most, and prices by the GPU's name."""

    gpus: tuple[Gpu, ...]
    counts: tuple[int, ...]
    prices: Mapping[str, Price]


def read_choice(names: str | None, prices: str | None, most: int) -> Choice:
    """The options of ``compare``, read.

    Raises:
        UserError: for a list that cannot be read.
        UnknownName: for a GPU that the catalogue does not have.

    """
    if most not in COUNTS:
        raise UserError(f"--max-gpus must be one of {', '.join(map(str, COUNTS))}, not {most}")
    wanted = [name.strip() for name in (names if names is not None else ",".join(COMMON)).split(",")]
    if not all(wanted) or len(wanted) > MOST_GPUS:
        raise UserError(f"--gpus-from takes 1 to {MOST_GPUS} GPUs separated by commas, e.g. l4,a10g,h100")
    found = dict.fromkeys(catalog.find(name) for name in wanted)
    known = dict(load_prices()) | _own_prices(prices)
    return Choice(tuple(found), tuple(count for count in COUNTS if count <= most), known)


def _own_prices(text: str | None) -> dict[str, Price]:
    """``h100=2.5,l4=0.7`` by the names of the catalogue."""
    prices = {}
    for part in text.split(",") if text is not None else ():
        found = PRICE.fullmatch(part.strip())
        if found is None:
            raise UserError(f"--price takes GPU=USD an hour, e.g. h100=2.5,l4=0.7, not '{part.strip()}'")
        prices[catalog.find(found[1]).name] = Price(float(found[2]), YOURS)
    return prices


def compare(name: str, choice: Choice, asked: AskedLoad, source: Source) -> Market:
    """The offers, best first: what meets the targets, then by cost; without prices by tokens a second of one GPU."""
    engine = judge.load_engine(source.vllm_version)
    model = judge.load_model(name, offline=source.offline, assume_architecture=source.assume_architecture)
    scenario = scenario_with(asked)
    request = Request(model, Hardware(choice.gpus[0], 1), engine, scenario, (), source.records)
    offers = [offer(request, gpu, choice, asked) for gpu in choice.gpus]
    by_cost = any(one.cost is not None for one in offers)
    ranked = sorted(offers, key=lambda one: _rank(one, by_cost=by_cost))
    return Market(
        model=model.id,
        scenario=asked.scenario.name,
        release=engine.release,
        load=asked.load,
        targets=asked.scenario.targets,
        offers=tuple(ranked),
        sorted_by="cost" if by_cost else "tokens per GPU",
        notes=_notes(ranked, asked, model, engine),
    )


def _rank(one: Offer, *, by_cost: bool) -> tuple[bool, bool, bool, float]:
    """Sorts what fits and meets its targets first; a GPU without a price stands behind those that have one."""
    cost = one.cost
    if by_cost and cost is not None:
        return (not one.fits, bool(one.misses), False, cost)
    return (not one.fits, bool(one.misses), by_cost, -one.tokens_per_gpu)


def offer(request: Request, gpu: Gpu, choice: Choice, asked: AskedLoad) -> Offer:
    """The smallest count of a GPU that meets the targets; where none does, the smallest that fits."""
    price = choice.prices.get(gpu.name)
    smallest, why = None, ""
    for count in choice.counts:
        found = trial(replace(request, hardware=Hardware(gpu=gpu, gpus_per_node=count)), asked, price)
        if found.fits and not found.misses:
            return found
        if found.fits and smallest is None:
            smallest = found
        why = found.why_not
    return smallest or Offer(gpu, choice.counts[-1], None, None, price, why_not=why)


def trial(request: Request, asked: AskedLoad, price: Price | None) -> Offer:
    """What is recommended on this hardware, simulated."""
    hardware = request.hardware
    answer = recommend(request)
    refused = partial(Offer, hardware.gpu, hardware.gpus, None, None, price)
    if answer.deployment is None or answer.resolved is None or answer.memory is None:
        failure = answer.memory.failure if answer.memory is not None else None
        return refused(why_not=failure.engine_message if failure is not None else "too close to call")
    try:
        load, _ = within_context(asked.load, answer.resolved)
    except UserError as error:
        return refused(why_not=str(error))
    site = Site(answer.deployment, request.model, answer.resolved, hardware, request.engine)
    found = predict_site(site, answer.memory, load, records=request.records)
    missed = misses(found, asked.scenario.targets)
    return Offer(hardware.gpu, hardware.gpus, answer, found, price, load=load, misses=missed)


def misses(found: Performance, targets: Targets) -> tuple[str, ...]:
    """The targets that the means do not meet."""
    checks = (("TTFT", found.ttft.mean, targets.ttft), ("TPOT", found.tpot.mean, targets.tpot))
    return tuple(name for name, reached, target in checks if target is not None and reached > target)


def _notes(offers: list[Offer], asked: AskedLoad, model: Model, engine: EngineVersion) -> tuple[str, ...]:
    """What the table rests on."""
    prices = {one.gpu.name: one.price for one in offers}
    dated = _dated([price for price in prices.values() if price is not None and price.date])
    without = [name for name, price in prices.items() if price is None]
    notes = [*asked.notes]
    for one in offers:
        notes += judge.assumptions_of(model, Hardware(one.gpu, one.gpus), engine, ()) if one.fits else ()
    notes += [f"list prices on demand: {', '.join(dated)}; give yours with --price"] if dated else []
    notes += [f"no public price with a source for {', '.join(without)}; give it with --price"] if without else []
    found = [one.performance for one in offers if one.performance is not None]
    shared = [said for said in (found[0].assumptions if found else ()) if all(said in p.assumptions for p in found)]
    return tuple(dict.fromkeys((*notes, *shared)))


def _dated(prices: list[Price]) -> list[str]:
    """Who asks these prices, and when they were read."""
    said = []
    for who in sorted({price.who for price in prices}):
        days = sorted({price.date for price in prices if price.who == who})
        said.append(f"{who} ({' to '.join(dict.fromkeys((days[0], days[-1])))})")
    return said


def render(found: Market, format_: str, *, color: str, to_file: bool) -> str:
    """A comparison in the format that was asked for."""
    if format_ == "json":
        from llmtune.reports import market_json  # noqa: PLC0415 - one of two

        return market_json.market(found)
    from llmtune.reports import market_text  # noqa: PLC0415

    return market_text.market(found, judge.paper(color, to_file=to_file))
