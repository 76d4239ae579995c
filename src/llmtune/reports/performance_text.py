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
    from llmtune.spec.simulation import Arrivals, Simulation

GIB = 2**30
BOUND_BY = {
    "weights": "reading the weights",
    "kv-cache": "reading the KV cache",
    "compute": "arithmetic",
    "host": "fixed time of kernels and engine between steps",
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
NEAR = 0.85  # of what is sustained
NARROW, BESIDE = 45, 68  # columns from which on figures stand apart, and intervals beside them
WIDE = 90  # columns from which on the words behind the figures have room


def simulation(result: Simulation, paper: Paper) -> str:
    """What a deployment does under a load; the estimate's failure where it does not start."""
    page = Page(paper)
    shown = result.estimate
    page.headline(folded(f"{shown.model.id} on {hardware_line(shown)}", paper.width))
    if result.performance is None:
        page.memory(shown.memory)
        page.verdict(shown.memory)
    else:
        page.line("memory: ", memory_line(shown.memory))
        page.line("load:   ", load_line(result.load))
        if result.arrivals is not None and result.load.rate is not None:
            page.line("rate:   ", arrivals_line(result.arrivals, result.load.rate))
        page.lines(latency_lines(result.performance, paper.width))
        page.lines(rate_lines(result.performance, paper.width, result.arrivals))
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


def folded(headline: str, width: int) -> str:
    r"""A headline that breaks between its parts, further lines indented.

    >>> folded("m on a GPU · vLLM 0.33.0 · x 0.92", 25)
    'm on a GPU · vLLM 0.33.0\n  · x 0.92'

    """
    lines = [""]
    for part in headline.split(" · "):
        longer = f"{lines[-1]} · {part}" if lines[-1] else part
        if len(longer) > width and lines[-1]:
            lines.append(f"  · {part}")
        else:
            lines[-1] = longer
    return "\n".join(lines)


def arrivals_line(arrivals: Arrivals, rate: float) -> str:
    """Whether the server keeps up with the rate."""
    most = f"about {number(arrivals.sustained_per_s)} requests/s"
    drain = f"the run ends {seconds(arrivals.drain)} after the last arrival"
    if not arrivals.keeps_up:
        return (
            f"cannot keep up: {rate:g} requests/s come and {most} can be served; the queue grows, and TTFT and E2E "
            f"with the length of the run; {drain}"
        )
    near = "near its limit of" if rate > NEAR * arrivals.sustained_per_s else "the limit is"
    return f"keeps up, {near} {most}; {drain}"


def latency_lines(found: Performance, width: int) -> Iterator[str]:
    """The table of latencies; on narrow paper intervals stand below their means."""
    room = 9 if width >= NARROW else 8
    beside = bool(found.interval) and width >= BESIDE
    last = "   mean between" if beside else ""
    yield f"{'':<6}{''.join(f'{name:>{room}}' for name in ('mean', 'p50', 'p95', 'p99'))}{last}"
    for label, name, words in LATENCIES:
        spread: Spread = getattr(found, name)
        cells = "".join(f"{seconds(value):>{room}}" for value in (spread.mean, spread.p50, spread.p95, spread.p99))
        bounds = found.interval.get(f"{name}_s")
        between = f"{seconds(bounds[0]):>7} .. {seconds(bounds[1])}" if bounds else ""
        column = f"   {between:<20}" if beside else "  "
        yield f"{label:<6}{cells}{column} {words if width >= WIDE else ''}".rstrip()
        if between and not beside:
            yield f"{'':<6}{between}"


def rate_lines(found: Performance, width: int, arrivals: Arrivals | None = None) -> Iterator[str]:
    """Throughput, and what the server is busy with; at a rate first what it does while requests come."""
    first, room = (18, 9) if width >= NARROW else (16, 8)
    if arrivals is not None:
        yield f"{'':<{first}}{'arriving':>{room}}   whole run"
    for label, name in RATES:
        bounds = found.interval.get(name)
        between = f"{number(bounds[0])} .. {number(bounds[1])}" if bounds else ""
        whole = getattr(found, name)
        shown = whole if arrivals is None else getattr(arrivals, name)
        rest = between if arrivals is None else f"{number(whole):<8} {between if width >= BESIDE else ''}"
        yield f"{label:<{first}}{number(shown):>{room}}   {rest}".rstrip()
    about = (
        ("in the batch", number(found.running_mean), "requests on average"),
        ("KV cache in use", f"{found.kv_use_max:.0%}", "at most"),
        ("preemptions", str(found.preemptions), ""),
        ("bound by", found.bound_by, BOUND_BY.get(found.bound_by, "")),
    )
    for label, value, words in about:
        left = f"{label:<{first}}{value:>{room}}"
        yield f"{left}   {words}" if words and len(left) + 3 + len(words) <= width else left


def seconds(value: float) -> str:
    """A time as people say it, in three digits.

    >>> seconds(0.004), seconds(0.0123), seconds(0.25), seconds(1.2), seconds(12.345)
    ('4.00 ms', '12.3 ms', '250 ms', '1.20 s', '12.3 s')

    """
    milliseconds = 1000 * value
    return f"{number(milliseconds)} ms" if milliseconds < 999.5 else f"{number(value)} s"  # noqa: PLR2004 - 1000 ms


def number(value: float) -> str:
    """Three digits, or all before the point.

    >>> number(0.0), number(0.123), number(5.0), number(28.04), number(99.96), number(2081.4)
    ('0', '0.123', '5.00', '28.0', '100', '2081')

    """
    if value < 0.9995:  # noqa: PLR2004 - three digits
        return f"{value:#.3g}" if value else "0"
    return f"{value:.2f}" if value < 9.995 else f"{value:.1f}" if value < 99.95 else f"{value:.0f}"  # noqa: PLR2004


def _tokens(tokens: Tokens) -> str:
    return str(tokens.p50) if tokens.p50 == tokens.p95 else f"{tokens.p50} (95 %: {tokens.p95})"
