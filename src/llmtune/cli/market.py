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
from llmtune.cli.predicting import check_generates, predict_both, with_requests
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
    from llmtune.spec.memory import Memory
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
MANY = 5000  # requests that are replayed on each of several GPUs, or two for each in flight
GIB = 2**30
REASONS = {  # by the kind of failure
    "weights": "the weights do not fit",
    "kv_cache": "no room is left for the KV cache of one request",
    "activations": "weights and activations do not fit",
    "cuda_graphs": "no room is left for the CUDA graphs",
}


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
        if found is None or not float(found[2]):
            raise UserError(f"--price takes GPU=USD an hour, above 0, e.g. h100=2.5,l4=0.7, not '{part.strip()}'")
        name = catalog.find(found[1]).name
        if name in prices:
            raise UserError(f"--price names {name} twice; give one price for each GPU")
        prices[name] = Price(float(found[2]), YOURS)
    return prices


def compare(name: str, choice: Choice, asked: AskedLoad, source: Source) -> Market:
    """The offers, best first: what meets the targets, then by cost; without prices by tokens a second of one GPU."""
    engine = judge.load_engine(source.vllm_version)
    model = judge.load_model(name, offline=source.offline, assume_architecture=source.assume_architecture)
    check_generates(model)
    asked, counted = _replayed(asked)
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
        notes=(*_notes(ranked, asked, model, engine), *counted),
    )


def _replayed(asked: AskedLoad) -> tuple[AskedLoad, tuple[str, ...]]:
    """The load with no more requests than are replayed, and what is said about that; most loads stay as they are."""
    many = max(MANY, 2 * (asked.load.concurrency or 0))
    load, notes = with_requests(asked.load, max(many, asked.load.requests))
    return (replace(asked, load=load), notes) if notes else (asked, ())


def _rank(one: Offer, *, by_cost: bool) -> tuple[bool, bool, bool, float]:
    """Sorts what fits and meets its targets first; a GPU without a price stands behind those that have one."""
    cost = one.cost
    if by_cost and cost is not None:
        return (not one.fits, bool(one.misses), False, cost)
    return (not one.fits, bool(one.misses), by_cost, -one.tokens_per_gpu)


def offer(request: Request, gpu: Gpu, choice: Choice, asked: AskedLoad) -> Offer:
    """The smallest count of a GPU that meets the targets; where none does, the smallest that keeps up, or fits."""
    price = choice.prices.get(gpu.name)
    smallest, refused = None, Offer(gpu, 0, None, None, price)
    for count in choice.counts:
        found = trial(replace(request, hardware=Hardware(gpu=gpu, gpus_per_node=count)), asked, price)
        if found.fits and not found.misses:
            return found
        if found.fits and (smallest is None or ("rate" in smallest.misses and "rate" not in found.misses)):
            smallest = found
        refused = found
    return smallest or replace(refused, gpus=choice.counts[-1], tried=choice.counts)


def trial(request: Request, asked: AskedLoad, price: Price | None) -> Offer:
    """What is recommended on this hardware, simulated."""
    hardware = request.hardware
    answer = recommend(request)
    refused = partial(Offer, hardware.gpu, hardware.gpus, None, None, price)
    if answer.deployment is None or answer.resolved is None or answer.memory is None:
        return refused(why_not=_message(answer.memory), reason=_reason(answer.memory))
    try:
        load, _ = within_context(asked.load, answer.resolved)
    except UserError as error:
        return refused(why_not=str(error), reason=str(error))
    site = Site(answer.deployment, request.model, answer.resolved, hardware, request.engine)
    found, arrivals = predict_both(site, answer.memory, load, records=request.records)
    missed = misses(found, asked.scenario.targets)
    missed += ("rate",) if arrivals is not None and not arrivals.keeps_up else ()
    return Offer(hardware.gpu, hardware.gpus, answer, found, price, load=load, misses=missed, arrivals=arrivals)


def _message(memory: Memory | None) -> str:
    """What the engine says where it does not start."""
    failure = memory.failure if memory is not None else None
    return failure.engine_message if failure is not None else "too close to call"


def _reason(memory: Memory | None) -> str:
    """The same for people."""
    failure = memory.failure if memory is not None else None
    if memory is None or failure is None:
        return "too close to call"
    plain = REASONS.get(failure.kind)
    if plain is None:
        return f"vLLM refuses it: {failure.engine_message}"
    weights = next((part.bytes for part in memory.parts if part.name == "weights"), 0)
    return f"{plain}: {weights / GIB:.1f} GiB of weights on each GPU of {memory.total / GIB:.1f} GiB"


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
