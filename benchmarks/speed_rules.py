"""What ``speed_of_light`` objects to in a single row: bounds of hardware and arithmetic, one function each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.speed_bounds import bounds_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.performance_rows import Row
    from benchmarks.speed_bounds import Bounds

MOST_COMPUTE = 0.8  # of the peak over a whole run; the best kernels stay below it alone
LONG_WAIT, WAIT_SHARE = 20.0, 0.35  # seconds, and share of the generation, before the first token
IN_FLIGHT_LOW, IN_FLIGHT_HIGH = 0.5, 1.15  # of a closed loop's concurrency
DRAINING_LOW, DRAINING_HIGH = 0.25, 1.5  # of requests that come all at once: they leave one by one
FULL = 0.8  # of the KV cache
MANY_STEPS, IDLE_START = 8, 0.2  # of prompts; of the run
QUEUE = 10  # times TPOT: a first token that is later than this waited for the prompts of others
ENOUGH = 4  # times the concurrency: so many requests keep a closed loop full
SLOW = ("ttft_s", "tpot_s", "ttft_p99_s", "tpot_p99_s")
MORE = 2.0  # times as many requests


@dataclass(frozen=True, slots=True)
class Objection:
    """What is wrong with a row. ``metrics`` are the ones concerned; none means all of them."""

    row: Row
    rule: str
    reason: str
    metrics: tuple[str, ...] = ()


def objections(row: Row) -> Iterator[Objection]:
    """All of them; one that concerns all metrics is the last worth asking for."""
    bounds = bounds_of(row.key)
    if bounds.tokens is None:
        yield Objection(row, "does-not-start", "the memory plan has no room for it")
        return
    means = row.arrivals.means
    if means is None:
        return
    prompt, output = means
    longest = bounds.site.resolved.max_model_len
    if prompt + output > longest:
        yield Objection(row, "beyond-context", f"{prompt:.0f} + {output:.0f} tokens, {longest} fit")
        return
    for rule in (
        _room,
        _bandwidth,
        _admission,
        _throughput,
        _compute,
        _arrivals,
        _idle_start,
        _short_answers,
        _latencies,
    ):
        objection = rule(row, bounds, prompt, output)
        if objection is not None:
            yield objection


def _running(row: Row, bounds: Bounds, context: float) -> float:
    """Requests that run at once on a replica at most: those that come, and have a seat and room in the KV cache."""
    given, resolved = row.arrivals, bounds.site.resolved
    loaded = given.concurrency or given.batch or given.requests or 1
    wanted = loaded / resolved.data_parallel
    assert bounds.tokens is not None
    room = min(float(resolved.max_num_seqs), max(1.0, bounds.tokens / context))
    return max(1.0, min(wanted, room))


def _room(row: Row, bounds: Bounds, prompt: float, output: float) -> Objection | None:
    measured = row.measured
    if "settings" not in row.assumed or not {"req_s", "tpot_s"} <= set(measured):
        return None
    assert bounds.tokens is not None
    seats = bounds.site.resolved.max_num_seqs * bounds.site.resolved.data_parallel
    stay = (output - 1) * measured["tpot_s"]
    decoding = measured["req_s"] * stay
    if row.arrivals.rate and row.arrivals.requests:  # as the last of them comes; the mean counts the end as well
        decoding = max(decoding, min(row.arrivals.rate * stay, row.arrivals.requests, seats))
    held, room = decoding * (prompt + output / 2), bounds.tokens * bounds.site.resolved.data_parallel
    if held <= FULL * room:
        return None
    return Objection(
        row, "room", f"{decoding:.0f} requests decoded, about {held:.0f} tokens; {room} were there to hold"
    )


def _arrivals(row: Row, _bounds: Bounds, _prompt: float, output: float) -> Objection | None:
    """Where n requests come at r and leave at s a second, they stay n (1 / s - 1 / r) / 2 seconds on average."""
    given, measured = row.arrivals, row.measured
    if not given.rate or not given.requests or not {"req_s", "ttft_s", "tpot_s"} <= set(measured):
        return None
    piled = given.requests * (1 / measured["req_s"] - 1 / given.rate) / 2
    stayed = measured["ttft_s"] + (output - 1) * measured["tpot_s"]
    if given.rate < MORE * measured["req_s"] or stayed > IN_FLIGHT_LOW * piled:
        return None
    return Objection(
        row, "arrivals", f"{given.rate:g} came and {measured['req_s']:.2g} left a second, in {stayed:.2g} s"
    )


def _idle_start(row: Row, bounds: Bounds, prompt: float, output: float) -> Objection | None:
    """Equal prompts are computed step by step: first tokens come evenly, from a start to the end at most."""
    given, ttft, seconds = row.arrivals, row.measured.get("ttft_s"), _seconds(row, prompt, output)
    count, steps = given.requests or 0, bounds.site.resolved.max_num_batched_tokens
    if given.rate is not None or (given.concurrency or count) < count or ttft is None or seconds is None:
        return None
    if given.prompt is None or given.prompt[0] != given.prompt[1] or count * prompt < MANY_STEPS * steps:
        return None
    start = 2 * ttft - count * seconds
    if start <= IDLE_START * count * seconds:
        return None
    return Objection(row, "idle-start", f"no first token for {start:.3g} s of {count * seconds:.3g} s")


def _short_answers(row: Row, _bounds: Bounds, _prompt: float, _output: float) -> Objection | None:
    given, measured = row.arrivals, row.measured
    at_once = given.rate is None and (given.concurrency or given.requests or 0) >= (given.requests or 0) > 0
    piled = (given.rate or 0.0) > MORE * measured.get("req_s", given.rate or 0.0)
    piled = piled and measured.get("ttft_s", 0.0) > QUEUE * measured.get("tpot_s", 0.0)
    if not (at_once or piled) or given.output is None or given.output[0] == given.output[1] or "tpot_s" not in measured:
        return None
    return Objection(row, "short-answers", f"answers of {given.output[0]} to {given.output[1]} tokens", ("tpot_s",))


def _bandwidth(row: Row, bounds: Bounds, prompt: float, _output: float) -> Objection | None:
    measured = row.measured.get("tpot_s")
    if measured is None:
        return None
    least = bounds.step(1, prompt) / bounds.work.decode_tokens
    if measured >= least:
        return None
    reason = f"{measured * 1e3:.2f} ms a token, {least * 1e3:.2f} ms to read the weights"
    return Objection(row, "bandwidth", reason, SLOW)


def _admission(row: Row, bounds: Bounds, prompt: float, output: float) -> Objection | None:
    tpot, ttft = row.measured.get("tpot_s"), row.measured.get("ttft_s", 0.0)
    if row.arrivals.concurrency is None or tpot is None:
        return None
    running = _running(row, bounds, prompt + output)
    least = bounds.step(running, prompt + output / 2) / bounds.work.decode_tokens
    if tpot < least:
        reason = f"{tpot * 1e3:.2f} ms a token, {least * 1e3:.2f} ms at least for {running:.0f} requests"
        return Objection(row, "admission", reason, SLOW)
    generation = output * tpot
    ran = row.arrivals.concurrency / bounds.site.resolved.data_parallel * generation / (generation + ttft)
    running = _running(row, bounds, prompt + output / 2)
    if ttft > LONG_WAIT + WAIT_SHARE * generation and ran < IN_FLIGHT_LOW * running:
        reason = f"{ran:.0f} requests ran where {running:.0f} have room, {ttft:.0f} s to the first token"
        return Objection(row, "admission", reason, SLOW)
    return None


def _throughput(row: Row, bounds: Bounds, prompt: float, output: float) -> Objection | None:
    """Tokens a second that all running requests can get; half of the answer is in the cache on average."""
    seconds = _seconds(row, prompt, output)
    if seconds is None or row.arrivals.rate is not None:
        return None
    running = _running(row, bounds, prompt)
    steps = (output - 1) / bounds.site.resolved.pipeline_parallel
    if steps <= 0:
        return None
    least = bounds.step(running, prompt + output / 2) * steps / running / bounds.site.resolved.data_parallel
    if seconds >= least:
        return None
    return Objection(row, "throughput", f"a request every {seconds:.3g} s, {least:.3g} s at least")


def _compute(row: Row, bounds: Bounds, prompt: float, output: float) -> Objection | None:
    ttft, seconds = row.measured.get("ttft_s"), _seconds(row, prompt, output)
    work, replicas = bounds.compute(prompt + output, 1 + output), bounds.site.resolved.data_parallel
    if seconds is not None and work / replicas / bounds.site.resolved.pipeline_parallel > MOST_COMPUTE * seconds:
        share = work / replicas / seconds
        return Objection(row, "compute", f"{share:.0%} of the peak over the run")
    if ttft is not None and not row.arrivals.resent and bounds.compute(prompt, 1) > MOST_COMPUTE * ttft:
        return Objection(row, "compute", f"prompts computed at {bounds.compute(prompt, 1) / ttft:.0%} of the peak")
    return None


def _seconds(row: Row, prompt: float, output: float) -> float | None:
    """Seconds of the run for one request, from what was measured; None where it does not say."""
    given, measured = row.arrivals, row.measured
    if "req_s" in measured:
        return 1 / measured["req_s"]
    if "total_tok_s" in measured:
        return (prompt + output) / measured["total_tok_s"]
    if "output_tok_s" in measured:
        return output / measured["output_tok_s"]
    if given.concurrency and {"ttft_s", "tpot_s"} <= set(measured):
        return (measured["ttft_s"] + (output - 1) * measured["tpot_s"]) / given.concurrency
    return None


def _latencies(row: Row, _bounds: Bounds, _prompt: float, output: float) -> Objection | None:
    """Little's law; only where throughput and both latencies were measured, as means."""
    given, measured = row.arrivals, row.measured
    if row.statistic != "mean" or not {"req_s", "ttft_s", "tpot_s"} <= set(measured):
        return None
    flying = measured["req_s"] * (measured["ttft_s"] + (output - 1) * measured["tpot_s"])
    full = (given.requests or 0) >= ENOUGH * (given.concurrency or 0)
    if given.concurrency:
        low, high = (IN_FLIGHT_LOW if full else DRAINING_LOW), IN_FLIGHT_HIGH
        loaded = float(given.concurrency)
    elif given.rate is None and given.requests:
        low, high, loaded = DRAINING_LOW, DRAINING_HIGH, float(given.requests)
    else:
        return None
    if low * loaded <= flying <= high * loaded:
        return None
    return Objection(row, "latencies", f"{flying:.0f} requests in flight by Little's law of {loaded:.0f}", SLOW)
