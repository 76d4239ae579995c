"""What a server does with a load in its steady state, from a handful of step times: microseconds, not a replay.

A lane (one of the batches in flight) holds R requests. Each takes d steps to decode, k to compute its prompt and w to
wait for the prompts before it, so in every step about R / (d + k + w) prompts begin; steps with prompt tokens are a
share q of all, and the others only decode:

    step  = q x seconds(decodes and prompt tokens) + (1 - q) x seconds(decodes)
    TPOT  = step / tokens a step         TTFT = w x step + k x the longer step       E2E = TTFT + (output - 1) x TPOT
    throughput of the lane = R / E2E     R = the load's, the slots' or the KV cache's, whichever is the smallest

Ramp-up, drain and preemptions are left to ``calc/simulation.py``: this is for ranking hundreds of candidates.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from math import ceil, exp, sqrt
from typing import TYPE_CHECKING

from llmtune.calc.load import count_requests, draw_lengths
from llmtune.calc.step_time import Batch, step_seconds
from llmtune.spec.record import dataclass

if TYPE_CHECKING:
    from llmtune.calc.simulation_server import Server
    from llmtune.spec.performance import Load

SAMPLE = 64  # requests that stand for a distribution of lengths
ROUNDS = 8  # of the fixed point of arrivals and time in the server
KEPT_FULL = 0.95  # of the KV blocks that requests hold while others wait: what is freed is not taken at once


@dataclass(frozen=True, slots=True)
class Shape:
    """Means over the requests of a load, in tokens: ``context`` over the time that they decode."""

    prompt: float
    output: float
    context: float
    seen: float  # tokens that a prompt token attends to
    cached: float

    @property
    def seen_share(self) -> float:
        """Mean of squares over twice the square of the mean: how much unequal prompts lengthen a queue, up to 1."""
        return min(1.0, self.seen / max(1.0, self.prompt))


@dataclass(frozen=True, slots=True)
class Forecast:
    """The steady state over all replicas. Times are means in seconds; ``running`` requests are in the batches."""

    ttft: float
    tpot: float
    e2e: float
    output_tokens_per_s: float
    running: float


@dataclass(frozen=True, slots=True)
class Cycle:
    """A lane with a number of requests: times of one request, and requests a second."""

    ttft: float
    tpot: float
    e2e: float
    rate: float


def forecast(server: Server, load: Load) -> Forecast:
    """The steady state of a server under a load.

    Example:
        A step of 10 ms whatever is in it, one client, prompts of 100 tokens, answers of 11: TTFT 10 ms, TPOT 10 ms.

    Raises:
        Refused: where a typical request is longer than the context.

    """
    shape = shape_of(replace(load, concurrency=None, rate=None, offline=True, requests=0), server.max_model_len)
    lanes = server.replicas * server.stages
    most = _most_running(server, shape)
    if load.rate is not None:
        return _with_arrivals(server, shape, load.rate / lanes, most, lanes)
    asked = (load.concurrency or count_requests(load)) / lanes
    running = min(asked, most)
    found = cycle(server, shape, running)
    waiting = max(0.0, asked - running) / found.rate if found.rate else 0.0
    waits = waiting / 2 if load.offline else waiting
    return _over_lanes(found, shape, lanes, running, found.rate, waits)


@lru_cache(maxsize=256)
def shape_of(load: Load, max_model_len: int) -> Shape:
    """The means of a load whose requests end where the context does; how they arrive does not matter."""
    lengths = draw_lengths(load, SAMPLE, max_model_len)
    prompts, outputs = sum(p for p, _ in lengths), sum(o for _, o in lengths)
    hit = load.prefix_hit
    return Shape(
        prompt=prompts / SAMPLE * (1 - hit),
        output=outputs / SAMPLE,
        context=sum(o * (p + o / 2) for p, o in lengths) / outputs,
        seen=sum(p * p * (1 - hit * hit) / 2 for p, _ in lengths) / (prompts * (1 - hit)) if hit < 1 else 0.0,
        cached=prompts / SAMPLE * hit,
    )


def cycle(server: Server, shape: Shape, running: float) -> Cycle:
    """A lane that always holds ``running`` requests."""
    progress = 1 + server.accepted_tokens
    steps = max(0.0, shape.output - 1) / progress
    whole = not server.chunked_prefill
    room = max(1.0, server.max_num_batched_tokens - (0 if whole else running * (1 + server.draft_tokens)))
    chunks = 1 if whole else max(1, ceil(shape.prompt / room))
    if server.old_scheduler and whole:
        return _apart(server, shape, running, steps)
    queue = waiting_steps(running, steps, shape.prompt / room) * shape.seen_share
    begun = min(running / (steps + chunks + queue), room / max(1.0, shape.prompt))
    share = _share(begun, chunks, shape.prompt / room)
    others = _share(begun * max(0.0, 1 - 1 / running), chunks, shape.prompt / room)
    decodes = begun * steps
    plain = step_seconds(server.costs, Batch(decodes, shape.context)) if decodes else 0.0
    mixed = step_seconds(server.costs, prompt_batch(shape, decodes, begun * shape.prompt / share, chunks))
    step = share * mixed + (1 - share) * plain
    between = others * mixed + (1 - others) * plain  # what a decoding request sees: not its own prompt
    tpot = between / progress
    wait = step * (1.5 if server.async_scheduling else 0.5) * (server.front_end > 0)
    ttft = server.front_end + wait + chunks * mixed + queue * step
    queued = running / begun * step - steps * between  # Little: what is not spent decoding
    ttft = max(ttft, queued)
    e2e = ttft + steps * between
    return Cycle(ttft, tpot, e2e, running / e2e)


def _share(begun: float, chunks: int, service: float) -> float:
    """Steps with prompt tokens, when in each so many prompts begin: at random, but no more than fit."""
    return min(1.0, max(1 - exp(-begun * chunks), begun * service))


def waiting_steps(running: float, steps: float, service: float) -> float:
    """Steps that a prompt waits for others, when each of ``running`` requests decodes ``steps`` before the next one.

    A closed queue with one server, by Schweitzer's approximation of mean value analysis (1979): the time at the server
    is r = service x (1 + (running - 1) r / (steps + r)). ``service`` is in steps: prompt tokens over those of a step.

    >>> round(waiting_steps(1, 100, 2.0), 3), round(waiting_steps(100, 100, 2.0)), round(waiting_steps(8, 100, 0.1), 3)
    (0.0, 100, 0.001)

    """
    more = service * running - steps
    if running <= 1:
        return 0.0
    at_server = (more + sqrt(more * more + 4 * service * steps)) / 2
    return max(0.0, at_server - service)


def prompt_batch(shape: Shape, decodes: float, tokens: float, chunks: int) -> Batch:
    """A step with so many prompt tokens; a prompt in several chunks reads its earlier ones again."""
    parts = max(1.0, tokens / max(1.0, shape.prompt)) if chunks == 1 else 1.0
    earlier = parts * (shape.cached + shape.prompt * (chunks - 1) / 2 / chunks)
    return Batch(decodes, shape.context if decodes else 0.0, tokens, parts, tokens * shape.seen, earlier)


def _apart(server: Server, shape: Shape, running: float, steps: float) -> Cycle:
    """V0: a step holds whole prompts or decodes, and decoding waits for every prompt that comes in between."""
    tokens = min(max(shape.prompt, 1.0) * running, max(shape.prompt, float(server.max_num_batched_tokens)))
    together = tokens / max(shape.prompt, 1.0)
    prompts = step_seconds(server.costs, prompt_batch(shape, 0.0, shape.prompt, 1))
    plain = step_seconds(server.costs, Batch(running, shape.context)) if steps else 0.0
    per_token = plain + prompts * running / max(steps, together)
    ttft = server.front_end + plain / 2 + prompts
    e2e = ttft + steps * per_token
    return Cycle(ttft, per_token / (1 + server.accepted_tokens), e2e, running / e2e)


def _most_running(server: Server, shape: Shape) -> float:
    """Requests that a lane can hold at once: slots, and the blocks that they hold on average."""
    slots = max(1, server.max_num_seqs // server.stages)
    held = server.request_blocks(max(1, round(shape.context)))
    if not held:
        return float(slots)
    return max(1.0, min(float(slots), KEPT_FULL * server.num_blocks / server.stages / held))


def _with_arrivals(server: Server, shape: Shape, rate: float, most: float, lanes: int) -> Forecast:
    """Requests in flight follow from how long they stay, which follows from how many there are."""
    full = cycle(server, shape, most)
    if full.rate <= rate:  # it never catches up; what waits grows as long as the run does
        return _over_lanes(full, shape, lanes, most, full.rate, (rate / full.rate - 1) * full.e2e + full.e2e)
    running = 1.0
    found = full
    for _ in range(ROUNDS):
        found = cycle(server, shape, running)
        running = min(most, max(1.0, (running + rate * found.e2e) / 2))
    return _over_lanes(found, shape, lanes, min(running, rate * found.e2e), rate, 0.0)


def _over_lanes(found: Cycle, shape: Shape, lanes: int, running: float, rate: float, waits: float) -> Forecast:
    return Forecast(
        ttft=found.ttft + waits,
        tpot=found.tpot,
        e2e=found.e2e + waits,
        output_tokens_per_s=lanes * rate * shape.output,
        running=lanes * running,
    )
