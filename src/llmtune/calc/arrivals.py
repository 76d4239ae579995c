"""Whether a server keeps up with requests that come at a rate, and what it does while they come.

    sustained   requests a second that end while more wait: near the rate by a replay, far from it in closed form
    steady      the smaller of rate and sustained; tokens a second are that times the tokens of a request
    drain       what the run takes beyond the arrivals, in which the last requests end

A run's throughput is less than the steady one, since ``vllm bench serve`` counts until the last token.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from llmtune.calc.closed_form import forecast, shape_of
from llmtune.calc.load import count_requests
from llmtune.calc.simulation import sustain
from llmtune.spec.simulation import Arrivals

if TYPE_CHECKING:
    from llmtune.calc.simulation_server import Server
    from llmtune.spec.performance import Load, Performance

NEAR = 0.7  # of what the closed form says is sustained: from here on it is replayed (the closed form is within 15 %)
ROUNDS = 6  # requests of that replay for each that runs at once
FEWEST, MOST = 240, 6000


def describe_arrivals(server: Server, load: Load, found: Performance) -> Arrivals | None:
    """What a server does while requests come; None where they come at no rate.

    Example:
        12 requests a second, 14 sustained, a run of 1,000 requests that ends after 108 s: it keeps up, 12 end a second
        while they come, and it drains for 25 s.

    """
    if load.rate is None or not found.requests_per_s:
        return None
    most = sustained_rate(server, load)
    steady = min(load.rate, most)
    scale = steady / found.requests_per_s
    return Arrivals(
        keeps_up=load.rate <= most,
        sustained_per_s=most,
        requests_per_s=steady,
        output_tokens_per_s=found.output_tokens_per_s * scale,
        total_tokens_per_s=found.total_tokens_per_s * scale,
        drain=max(0.0, found.duration - count_requests(load) / load.rate),
    )


def sustained_rate(server: Server, load: Load) -> float:
    """Requests a second that end while more wait than the server can take."""
    full = replace(load, rate=None, concurrency=None, offline=True, requests=0)
    steady = forecast(server, full)
    most = steady.output_tokens_per_s / shape_of(full, server.max_model_len).output
    if load.rate is None or load.rate < NEAR * most:
        return most
    return sustain(server, full, max(FEWEST, min(MOST, round(ROUNDS * steady.running))))
