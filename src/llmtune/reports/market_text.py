"""``compare --format text``: a table of GPUs, best first, and a bar for what they are sorted by."""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.reports.page import Page
from llmtune.reports.performance_text import folded, load_line, number, seconds

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llmtune.reports.page import Paper
    from llmtune.spec.offer import Market, Offer
    from llmtune.spec.performance import Performance

COLUMNS = (("GPUs", 5), ("TTFT", 8), ("TPOT", 8), ("out tok/s", 10), ("per GPU", 8), ("USD/h", 7), ("USD/M", 7))
LESS = ("per GPU", "USD/h")  # left out where the paper is narrow
WIDE = 80
LEAST_BAR = 10
VALUE = 10  # columns behind a bar
BAR = ("█", "#")
NOTHING = "-"


def market(found: Market, paper: Paper) -> str:
    """The comparison as a page."""
    page = Page(paper)
    page.headline(folded(f"{found.model} for {found.scenario} · vLLM {found.release}", paper.width))
    page.line("load: ", load_line(found.load))
    targets = [
        f"{name} {seconds(value)}"
        for name, value in (("TTFT", found.targets.ttft), ("TPOT", found.targets.tpot))
        if value is not None
    ]
    if targets:
        page.line("targets: ", f"{', '.join(targets)} on average")
    if any(one.fits for one in found.offers):
        page.lines(table(found, paper.width))
        page.lines(chart(found, paper))
    page.bullets("Does not fit", [_refusal(one) for one in found.offers if not one.fits])
    page.bullets("Assumptions", found.notes)
    return page.text()


def table(found: Market, width: int) -> Iterator[str]:
    """One line a GPU that fits, two where the paper is too narrow for its name.

    ``out tok/s`` are output tokens a second, USD/M is for a million of them.
    """
    shown = [(name, room) for name, room in COLUMNS if width >= WIDE or name not in LESS]
    first = _name_width(found)
    taken = first + 2 + max(len("misses"), *(len(" ".join(one.misses)) for one in found.offers))
    if taken + sum(room for _, room in shown) > width:
        shown = [(name, room) for name, room in shown if name not in LESS]
    beside = taken + sum(room for _, room in shown) <= width
    head = "".join(f"{name:>{room}}" for name, room in shown)
    yield f"{'':<{first}}{head}  misses" if beside else head
    for one in found.offers:
        if one.performance is None:
            continue
        cells = _cells(one, one.performance)
        line = "".join(f"{cells[name]:>{room}}" for name, room in shown)
        if beside:
            yield f"{one.gpu.name:<{first}}{line}  {' '.join(one.misses) or NOTHING}"
        else:
            yield from (_named(one), line)


def _named(one: Offer) -> str:
    return f"{one.gpu.name}{': misses ' if one.misses else ''}{' '.join(one.misses)}"


def _cells(one: Offer, speed: Performance) -> dict[str, str]:
    price, cost = one.price, one.cost
    return {
        "GPUs": str(one.gpus),
        "TTFT": seconds(speed.ttft.mean),
        "TPOT": seconds(speed.tpot.mean),
        "out tok/s": number(one.output_tokens_per_s),
        "per GPU": number(one.tokens_per_gpu),
        "USD/h": f"{price.per_hour * one.gpus:.2f}" if price else NOTHING,
        "USD/M": f"{cost:.2f}" if cost is not None else NOTHING,
    }


def _name_width(found: Market) -> int:
    return max((len(one.gpu.name) for one in found.offers), default=0) + 1


def chart(found: Market, paper: Paper) -> Iterator[str]:
    """Bars of what decides the order; a GPU without a price says so."""
    by_cost = found.sorted_by == "cost"
    shown = [(one, one.cost if by_cost else one.tokens_per_gpu) for one in found.offers if one.fits]
    most = max((value for _, value in shown if value), default=0.0)
    if not most:
        return
    yield "USD for a million output tokens" if by_cost else "output tokens/s of one GPU"
    first = _name_width(found)
    beside = first + LEAST_BAR + VALUE <= paper.width
    room = min(paper.width, 100) - (first if beside else 0) - VALUE
    for one, value in shown:
        bar = BAR[0 if paper.unicode else 1] * max(1, round(value / most * room)) if value else ""
        words = f"{bar} {f'{value:.2f}' if by_cost else number(value)}" if value else "no price"
        if not beside:
            yield one.gpu.name
        yield f"{one.gpu.name:<{first}}{words}" if beside else words


def _refusal(one: Offer) -> str:
    """How many were tried, and why none of them runs the model."""
    counts = [str(count) for count in one.tried] or [str(one.gpus)]
    listed = f"{', '.join(counts[:-1])} or {counts[-1]}" if len(counts) > 1 else counts[0]
    gpus = "GPU" if counts == ["1"] else "GPUs"
    return f"{one.gpu.name}: not on {listed} {gpus}: {_short(one.reason or one.why_not)}"


def _short(text: str) -> str:
    """What an engine message says before its advice."""
    return text.partition(". ")[0].rstrip(".")
