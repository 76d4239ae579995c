"""What a server does with a load, by a replay of vLLM's scheduler: latencies, throughput, and what binds.

    performance = simulate(server, load)

``Server`` (``calc/simulation_server.py``) says what steps cost and what a batch may hold, ``Load`` what comes. The
result is over all replicas and the whole run, from the first request sent to the last token, ramp-up and drain
included, as ``vllm bench serve`` measures it; :func:`llmtune.calc.load.count_requests` says how long a run is where the
load does not. The same input always gives the same result.

    trace(server, load)     the same run as sums over distinct steps, for fitting costs to measured means
    sustain(server, load)   requests a second that it can go on with, however many come

Modules: ``load`` (requests), ``simulation_scheduler`` (who is in the next batch), ``simulation_cache`` (KV blocks),
``simulation_clock`` (what steps take), ``simulation_replay`` (when things happen), ``simulation_results`` (what it
means).

What is simple here and not there: replicas and pipeline batches get equal shares and one of them is replayed; all
accept the same number of draft tokens in every step (``itl`` is then between two messages of a stream, as the benchmark
measures it, and not between tokens); a prefix in the cache costs each request blocks of its own; requests of one
instant are seen by the scheduler at once; of requests with equal claims the prompts wait for the decodes, whichever
was admitted first.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from llmtune.calc.errors import Refused
from llmtune.calc.load import count_requests, draw_arrivals, draw_lengths
from llmtune.calc.simulation_replay import Replay
from llmtune.calc.simulation_results import Trace, TracedStep, performance_of, trace_of
from llmtune.calc.simulation_server import Server, held_blocks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from llmtune.spec.performance import Load, Performance

__all__ = ["Server", "Trace", "TracedStep", "held_blocks", "simulate", "sustain", "trace"]

ONE_WAY = "a load has exactly one of concurrency, rate and offline"


def simulate(server: Server, load: Load) -> Performance:
    """What the server does with the load.

    Example:
        A step of 10 ms whatever is in it, one client, 2 requests of 100 tokens in and 11 out: TTFT 10 ms, TPOT 10 ms,
        each takes 11 steps, 22 tokens in 0.22 s.

    Raises:
        Refused: where a request can never run: longer than the context, or than the KV cache.

    """
    replay, scale = _run(server, load)
    return performance_of(replay, scale)


def trace(server: Server, load: Load, *, width: float = 0.05) -> Trace:
    """The run as sums over its steps; those that differ by less than about ``width`` are averaged.

    Raises:
        Refused: as :func:`simulate`.

    """
    replay, scale = _run(server, load)
    return trace_of(replay, 1 / scale, width)


def sustain(server: Server, load: Load, count: int) -> float:
    """Requests a second that end while more wait than the server can take: ramp-up and drain are left out.

    All of ``count`` requests are there at once, and the first and last sixth of them to end do not count.

    Example:
        One slot, a step of 10 ms, answers of 11 tokens: 9.1 requests a second, whatever the rate.

    Raises:
        Refused: as :func:`simulate`.

    """
    replay, scale = _run(server, replace(load, rate=None, concurrency=None, offline=True, requests=count))
    ends = sorted(request.end for request in replay.requests)
    edge = len(ends) // 6
    first, last = ends[edge], ends[-1 - edge]
    if last <= first:  # all end together
        return scale * len(ends) / ends[-1]
    return scale * (len(ends) - 1 - 2 * edge) / (last - first)


def _run(server: Server, load: Load) -> tuple[Replay, float]:
    """A replay of one lane, and how many such lanes serve the load."""
    if [load.concurrency is not None, load.rate is not None, load.offline].count(True) != 1:
        raise Refused("load", ONE_WAY)
    count = count_requests(load)
    lanes = server.replicas * server.stages
    together = count if load.concurrency is None else min(count, load.concurrency)
    scale = float(lanes)
    if load.rate is None:  # a lane gets whole requests, and not more lanes run than there are requests
        scale = together / max(1, round(together / lanes))
    lengths = draw_lengths(load, max(1, round(count / scale)), server.max_model_len)
    longest = max(prompt + output for prompt, output in lengths)
    replay = Replay(_one_lane(server, longest), lengths, load.prefix_hit)
    replay.run(_arrivals(load, len(lengths), scale))
    return replay, scale


def _one_lane(server: Server, longest: int) -> Server:
    """One of the batches in flight, with its part of slots and blocks, but room for the longest request."""
    if server.stages == 1:
        return server
    slots = max(1, server.max_num_seqs // server.stages)
    room = server.request_blocks(-(-longest // server.block_size) * server.block_size)
    blocks = min(server.num_blocks, max(server.num_blocks // server.stages, room))
    return replace(server, replicas=1, stages=1, max_num_seqs=slots, num_blocks=blocks)


def _arrivals(load: Load, count: int, scale: float) -> Sequence[float]:
    """When requests come; in a closed loop only the first ones have a time."""
    if load.rate is not None:
        return draw_arrivals(load.rate / scale, count, load.seed)
    if load.concurrency is not None:
        return [0.0] * min(count, max(1, round(load.concurrency / scale)))
    return [0.0] * count
