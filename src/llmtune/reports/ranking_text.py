"""What a recommendation was chosen by, for people: the choice beside the engine's own values, and the front."""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.reports.performance_text import BOUND_BY, load_line, number, seconds

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llmtune.reports.page import Page
    from llmtune.spec.performance import Performance
    from llmtune.spec.ranking import FrontPoint, Ranking

ROWS = 8  # of the front
NAME = 16
CHOICE, DEFAULT = "this choice", "engine's own"


def write(page: Page, found: Ranking) -> None:
    """The section about times."""
    page.lines(_predicted(found))
    page.lines(_front(found))


def _predicted(found: Ranking) -> Iterator[str]:
    speed = found.performance
    yield f"Predicted for {load_line(found.load)}"
    yield f"  {'':<{NAME}}{'TTFT':>9}{'TPOT':>9}{'p99 ITL':>9}{'tokens/s':>10}{'per GPU':>9}"
    yield f"  {CHOICE:<{NAME}}{_cells(speed, found.hardware.gpus)}"
    if found.default.performance is not None:
        yield f"  {DEFAULT:<{NAME}}{_cells(found.default.performance, found.hardware.gpus)}"
    else:
        yield f"  {DEFAULT:<{NAME}}{'does not start':>18}"
    low_high = speed.interval.get("output_tokens_per_s"), speed.interval.get("tpot_s")
    if low_high[0] and low_high[1]:
        between = f"{number(low_high[0][0])} .. {number(low_high[0][1])} tokens/s"
        yield f"  probably {between}, TPOT {seconds(low_high[1][0])} .. {seconds(low_high[1][1])}"
    doubt = "; it may not start" if found.default.starts == "probably" else ""
    own = f"max-num-batched-tokens {found.default.max_num_batched_tokens}, max-num-seqs {found.default.max_num_seqs}"
    yield f"  {DEFAULT}: {own}{doubt}"
    yield f"  bound by: {BOUND_BY.get(speed.bound_by, speed.bound_by)}"
    wanted = (("TTFT", found.targets.ttft), ("TPOT", found.targets.tpot))
    targets = ", ".join(f"{name} {seconds(value)}" for name, value in wanted if value is not None)
    if targets:
        met = f"misses {' and '.join(found.misses)}" if found.misses else "met"
        yield f"  targets: {targets} ({met})"
    if found.cost is not None:
        yield f"  cost: {found.cost:.2f} USD for a million output tokens"


def _cells(speed: Performance, gpus: int) -> str:
    rate = speed.output_tokens_per_s
    times = (speed.ttft.mean, speed.tpot.mean, speed.itl.p99)
    return f"{''.join(f'{seconds(time):>9}' for time in times)}{number(rate):>10}{number(rate / gpus):>9}"


def _front(found: Ranking) -> Iterator[str]:
    """The points of the front, thinned out evenly where there are many."""
    points = _thinned(found.front)
    if len(points) < 2:  # noqa: PLR2004 - one point is no choice
        return
    meets = any(value is not None for value in (found.targets.ttft, found.targets.tpot))
    yield "What these GPUs can do: the most tokens/s of one GPU for each TPOT"
    wide = max(NAME, *(len(point.layout) + 2 for point in points))
    yield f"  {'':<{wide}}{'in flight':>10}{'TTFT':>9}{'TPOT':>9}{'per GPU':>9}{'  targets' if meets else ''}"
    for point in points:
        times = f"{seconds(point.ttft):>9}{seconds(point.tpot):>9}{number(point.tokens_per_gpu):>9}"
        ends = f"  {'met' if point.meets else '-'}" if meets else ""
        yield f"  {point.layout:<{wide}}{point.concurrency:>10}{times}{ends}"


def _thinned(points: tuple[FrontPoint, ...]) -> list[FrontPoint]:
    if len(points) <= ROWS:
        return list(points)
    return [points[round(place * (len(points) - 1) / (ROWS - 1))] for place in range(ROWS)]
