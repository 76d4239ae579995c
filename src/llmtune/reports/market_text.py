"""``compare --format text``: a table of GPUs, best first, and a bar for what they are sorted by."""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.reports.page import Page
from llmtune.reports.performance_text import load_line, number, seconds

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llmtune.reports.page import Paper
    from llmtune.spec.offer import Market, Offer
    from llmtune.spec.performance import Performance

COLUMNS = (("GPUs", 5), ("TTFT", 9), ("TPOT", 9), ("tokens/s", 9), ("per GPU", 8), ("USD/h", 7), ("USD/M", 7))
LESS = ("per GPU", "USD/h")  # left out where the paper is narrow
WIDE = 80
BAR = ("█", "#")
NOTHING = "-"


def market(found: Market, paper: Paper) -> str:
    """The comparison as a page."""
    page = Page(paper)
    page.headline(f"{found.model} for {found.scenario} · vLLM {found.release}")
    page.line("load: ", load_line(found.load))
    targets = [
        f"{name} {seconds(value)}"
        for name, value in (("TTFT", found.targets.ttft), ("TPOT", found.targets.tpot))
        if value is not None
    ]
    if targets:
        page.line("targets: ", f"{', '.join(targets)} on average")
    page.lines(table(found, paper.width))
    page.lines(chart(found, paper))
    page.bullets("Does not fit", [f"{one.gpu.name}: {_short(one.why_not)}" for one in found.offers if not one.fits])
    page.bullets("Assumptions", found.notes)
    return page.text()


def table(found: Market, width: int) -> Iterator[str]:
    """One line a GPU that fits; USD/M is for a million output tokens."""
    shown = [(name, room) for name, room in COLUMNS if width >= WIDE or name not in LESS]
    first = _name_width(found)
    yield f"{'':<{first}}{''.join(f'{name:>{room}}' for name, room in shown)}  misses"
    for one in found.offers:
        if one.performance is not None:
            cells = _cells(one, one.performance)
            line = "".join(f"{cells[name]:>{room}}" for name, room in shown)
            yield f"{one.gpu.name:<{first}}{line}  {' '.join(one.misses) or NOTHING}"


def _cells(one: Offer, speed: Performance) -> dict[str, str]:
    price, cost = one.price, one.cost
    return {
        "GPUs": str(one.gpus),
        "TTFT": seconds(speed.ttft.mean),
        "TPOT": seconds(speed.tpot.mean),
        "tokens/s": number(speed.output_tokens_per_s),
        "per GPU": number(one.tokens_per_gpu),
        "USD/h": f"{price.per_hour * one.gpus:.2f}" if price else NOTHING,
        "USD/M": f"{cost:.2f}" if cost is not None else NOTHING,
    }


def _name_width(found: Market) -> int:
    return max((len(one.gpu.name) for one in found.offers), default=0) + 1


def chart(found: Market, paper: Paper) -> Iterator[str]:
    """Bars of what decides the order."""
    by_cost = found.sorted_by == "cost"
    measured = [(one, one.cost if by_cost else one.tokens_per_gpu) for one in found.offers if one.fits]
    shown = [(one, value) for one, value in measured if value]
    if not shown:
        return
    most = max(value for _, value in shown)
    yield "USD for a million output tokens" if by_cost else "output tokens/s of one GPU"
    first = _name_width(found)
    room = max(10, min(paper.width, 100) - first - 10)
    for one, value in shown:
        bar = BAR[0 if paper.unicode else 1] * max(1, round(value / most * room))
        yield f"{one.gpu.name:<{first}}{bar} {f'{value:.2f}' if by_cost else number(value)}"


def _short(text: str) -> str:
    """What an engine message says before its advice."""
    return text.partition(". ")[0].rstrip(".")
