"""``--format text`` of a simulation: what fits, what requests will see, what the server will do, what it rests on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.reports.page import Page
from llmtune.reports.text import hardware_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llmtune.reports.page import Paper
    from llmtune.spec.memory import Memory
    from llmtune.spec.performance import Load, Performance, Spread
    from llmtune.spec.scenario import Tokens
    from llmtune.spec.simulation import Simulation

GIB = 2**30
BOUND_BY = {
    "weights": "reading the weights",
    "kv-cache": "reading the KV cache",
    "compute": "arithmetic",
    "host": "the engine's own work between steps",
    "communication": "communication between GPUs",
    "arrivals": "arrivals: the server waits for requests",
}
LATENCIES = (
    ("TTFT", "ttft", "time to the first token"),
    ("TPOT", "tpot", "time per further token"),
    ("ITL", "itl", "gap between two tokens"),
    ("E2E", "e2e", "whole request"),
)
RATES = (
    ("output tokens/s", "output_tokens_per_s"),
    ("total tokens/s", "total_tokens_per_s"),
    ("requests/s", "requests_per_s"),
)
WIDE = 90  # columns from which on the words behind the figures have room


def simulation(result: Simulation, paper: Paper) -> str:
    """What a deployment does under a load; the estimate's failure where it does not start."""
    page = Page(paper)
    shown = result.estimate
    page.headline(f"{shown.model.id} on {hardware_line(shown)}")
    if result.performance is None:
        page.memory(shown.memory)
        page.verdict(shown.memory)
    else:
        page.line("memory: ", memory_line(shown.memory))
        page.line("load:   ", load_line(result.load))
        page.lines(latency_lines(result.performance, paper.width))
        page.lines(rate_lines(result.performance))
    page.bullets("Assumptions", result.assumptions)
    page.bullets("Warnings", shown.warnings)
    return page.text()


def memory_line(memory: Memory) -> str:
    """The memory plan in one sentence."""
    kv = memory.kv
    starts = "probably starts" if memory.doubt else "starts"
    if kv is None or not kv.groups:
        return f"{starts}; this model caches nothing"
    weights = memory.part("weights").bytes / GIB
    return (
        f"{starts}; weights {weights:.2f} GiB, KV cache {memory.part('KV cache').bytes / GIB:.2f} GiB: "
        f"{kv.tokens} tokens, {kv.max_concurrency:.2f} requests of full length"
    )


def load_line(load: Load) -> str:
    """The requests in one sentence."""
    if load.rate is not None:
        arrive = f"{load.rate:g} requests/s"
    else:
        arrive = "all at once" if load.offline else f"{load.concurrency} in flight"
    parts = [f"prompt {_tokens(load.prompt)}", f"output {_tokens(load.output)} tokens", arrive]
    parts += [f"{load.requests} requests"] if load.requests else []
    parts += [f"{load.prefix_hit:.0%} of the prompt cached"] if load.prefix_hit else []
    return ", ".join(parts)


def latency_lines(found: Performance, width: int) -> Iterator[str]:
    """The table of latencies."""
    last = "mean between" if found.interval else ""
    yield f"{'':<6}{'mean':>9}{'p50':>9}{'p95':>9}{'p99':>9}   {last}".rstrip()
    for label, name, words in LATENCIES:
        spread: Spread = getattr(found, name)
        cells = "".join(f"{seconds(value):>9}" for value in (spread.mean, spread.p50, spread.p95, spread.p99))
        bounds = found.interval.get(f"{name}_s")
        between = f"{seconds(bounds[0]):>7} .. {seconds(bounds[1])}" if bounds else ""
        room = 20 if found.interval else 0
        yield f"{label:<6}{cells}   {between:<{room}} {words if width >= WIDE else ''}".rstrip()


def rate_lines(found: Performance) -> Iterator[str]:
    """Throughput, and what the server is busy with."""
    for label, name in RATES:
        bounds = found.interval.get(name)
        between = f"   {number(bounds[0])} .. {number(bounds[1])}" if bounds else ""
        yield f"{label:<18}{number(getattr(found, name)):>9}{between}"
    yield f"{'in the batch':<18}{number(found.running_mean):>9}   requests on average"
    yield f"{'KV cache in use':<18}{found.kv_use_max:>9.0%}   at most"
    yield f"{'preemptions':<18}{found.preemptions:>9}"
    yield f"{'bound by':<18}{found.bound_by:>9}   {BOUND_BY.get(found.bound_by, '')}".rstrip()


def seconds(value: float) -> str:
    """A time as people say it.

    >>> seconds(0.0123), seconds(0.25), seconds(12.345)
    ('12.3 ms', '250 ms', '12.3 s')

    """
    if value < 0.1:  # noqa: PLR2004 - three digits either way
        return f"{1000 * value:.1f} ms"
    return f"{1000 * value:.0f} ms" if value < 1 else f"{value:.3g} s" if value < 100 else f"{value:.0f} s"  # noqa: PLR2004


def number(value: float) -> str:
    """Three digits, or all before the point."""
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"  # noqa: PLR2004 - three digits either way


def _tokens(tokens: Tokens) -> str:
    return str(tokens.p50) if tokens.p50 == tokens.p95 else f"{tokens.p50} (95 %: {tokens.p95})"
