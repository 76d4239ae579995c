"""Rows that no server can have measured so: faster than the hardware's datasheet allows, or at odds with themselves.

    python -m benchmarks.speed_of_light [--source NAME] [--all]

Every rule looks at numbers only, never at who says them. Bounds take what a step must do at least (``calc.step_work``:
weights, the experts that the tokens route to, the KV cache of the requests that run) at the datasheet's bandwidth and
peak, without any overhead. How many requests run is bounded by the load, ``max-num-seqs`` and the memory plan.

does-not-start   the memory plan has no room for it, so nothing can be predicted
beyond-context   prompt and answer are longer than the model's context: generation was cut, fewer tokens came out
bandwidth        a token sooner than one request's step can read its weights
admission        a token sooner than the requests' step can read weights and KV caches; or a wait of 20 s and a third
                 of the generation while, by Little's law, fewer than half of the requests ran that had room
throughput       more tokens a second than all running requests can get
compute          more than 80 % of the peak over the whole run, or a first token sooner than its prompt can be computed
                 at that rate: prompts were cached
twin             the same figures as the same model, layout and load on another GPU, five times and within 1 %: one of
                 the two is a copy, and the slower GPU's is taken for it
idle-wait        a first token twice as late as on the same server when at least twice as many requests come a second:
                 it did not wait for other requests
room             as many requests decoded, by Little's law, as fill 80 % of the KV cache that settings nobody stated
                 would leave: whether requests waited for blocks is not known
arrivals         requests are said to come much faster than they were served, but none waited for another: another rate
idle-start       of equal prompts that came all at once and fill many steps, half have their first token so late that
                 none can have come in the first fifth of the run: the client or the front end held them back
short-answers    mean TPOT over answers of unequal length that came all at once: one of a few tokens waits in each of
                 them for the prompts of all others, so that the shortest decide, and how many there are is not told
latencies        requests in flight by Little's law (rate x time in the system) are far from those that the load holds:
                 the clock of TTFT and TPOT is another than that of the throughput, which stays

A row that breaks a rule loses the metrics concerned; a row without metrics is excluded.
"""

from __future__ import annotations

import argparse
from collections import Counter, defaultdict
from dataclasses import dataclass, replace
from itertools import combinations
from typing import TYPE_CHECKING

from benchmarks.performance_rows import load_rows
from benchmarks.speed_bounds import bounds_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from benchmarks.performance_rows import Row
    from benchmarks.speed_bounds import Bounds

MOST_COMPUTE = 0.8  # of the peak over a whole run; the best kernels stay below it alone
LONG_WAIT, WAIT_SHARE = 20.0, 0.35  # seconds, and share of the generation, before the first token
IN_FLIGHT_LOW, IN_FLIGHT_HIGH = 0.5, 1.15  # of a closed loop's concurrency
DRAINING_LOW, DRAINING_HIGH = 0.25, 1.5  # of requests that come all at once: they leave one by one
TWINS, TWIN_SHARE, ALIKE = 5, 0.8, 0.01  # so many loads, of which so many agree so closely
FULL = 0.8  # of the KV cache
MANY_STEPS, IDLE_START = 8, 0.2  # of prompts; of the run
ENOUGH = 4  # times the concurrency: so many requests keep a closed loop full
LATER, MORE = 2.0, 2.0  # times as late, times as many requests
FIRST = ("ttft_s", "ttft_p99_s")
SLOW = ("ttft_s", "tpot_s", "ttft_p99_s", "tpot_p99_s")


@dataclass(frozen=True, slots=True)
class Objection:
    """What is wrong with a row. ``metrics`` are the ones concerned; none means all of them."""

    row: Row
    rule: str
    reason: str
    metrics: tuple[str, ...] = ()


def main() -> None:
    """Print what each rule removes, by source."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", help="only this source")
    parser.add_argument("--all", action="store_true", help="every row with its reason")
    chosen = parser.parse_args()
    rows = load_rows(chosen.source, usable=True)
    found = audit(rows)
    if chosen.all:
        for objection in found:
            print(f"{objection.row.source:18} {objection.row.id:70} {objection.rule:15} {objection.reason}")
    for line in table(rows, found):
        print(line)


def table(rows: Sequence[Row], found: Sequence[Objection]) -> Iterator[str]:
    """How many rows each rule removes, wholly or in part, by source."""
    rules = list(dict.fromkeys(RULES))
    counts = Counter((objection.row.source, objection.rule) for objection in found)
    sources = Counter(row.source for row in rows)
    yield f"{'source':18} {'rows':>5} " + " ".join(f"{rule:>14}" for rule in rules) + f" {'kept':>6}"
    kept = Counter(row.source for row in keep(rows, found))
    for source, total in sources.items():
        numbers = " ".join(f"{counts[source, rule]:14}" for rule in rules)
        yield f"{source:18} {total:5} {numbers} {kept[source]:6}"


def keep(rows: Iterable[Row], found: Sequence[Objection] | None = None) -> list[Row]:
    """The rows with what may be believed of them; rows of which nothing may are left out."""
    rows = [row for row in rows if not row.excluded]
    dropped: dict[str, set[str]] = {}
    for objection in audit(rows) if found is None else found:
        names = objection.metrics or tuple(objection.row.measured)
        dropped.setdefault(objection.row.id, set()).update(names)
    return [
        row if row.id not in dropped else replace(row, measured=left)
        for row in rows
        if (left := {key: value for key, value in row.measured.items() if key not in dropped.get(row.id, ())})
    ]


def audit(rows: Iterable[Row]) -> list[Objection]:
    """Everything that is wrong with the rows, in their order: for each row the first rule that condemns all of it."""
    rows = list(rows)
    found = [*_twins(rows), *_idle_waits(rows)]
    for row in rows:
        for objection in _objections(row):
            found.append(objection)
            if not objection.metrics:
                break
    return found


def _twins(rows: Sequence[Row]) -> list[Objection]:
    """Rows of the slower of two GPUs for which a source has the same figures."""
    tables: dict[tuple[str, str, str], dict[str, dict[str, Row]]] = defaultdict(lambda: defaultdict(dict))
    for row in rows:
        layout = f"{row.gpus} {row.settings.get('tensor-parallel-size')} {row.settings.get('data-parallel-size')}"
        tables[row.source, row.model, layout][row.gpu][str(row.arrivals)] = row
    found = []
    for by_gpu in tables.values():
        for first, second in combinations(by_gpu.values(), 2):
            shared = [load for load in first if load in second]
            alike = sum(_alike(first[load], second[load]) for load in shared)
            if len(shared) >= TWINS and alike >= TWIN_SHARE * len(shared):
                slower = min(first, second, key=lambda side: bounds_of(next(iter(side.values())).key).bandwidth)
                other = second if slower is first else first
                found += [Objection(slower[load], "twin", f"the figures of {other[load].gpu}") for load in shared]
    return found


def _alike(first: Row, second: Row) -> bool:
    """Whether two rows have the same figures."""
    shared = first.measured.keys() & second.measured.keys()
    return bool(shared) and all(abs(first.measured[key] / second.measured[key] - 1) <= ALIKE for key in shared)


def _idle_waits(rows: Sequence[Row]) -> list[Objection]:
    """Rows whose mean TTFT is far above that of a busier run of the same server with the same kind of requests."""
    servers: dict[tuple[str, str, str], list[Row]] = defaultdict(list)
    for row in rows:
        if row.arrivals.rate and "ttft_s" in row.measured:
            servers[row.source, row.key, row.arrivals.dataset or str(row.arrivals.prompt)].append(row)
    found = []
    for runs in servers.values():
        for row in runs:
            busier = [run for run in runs if (run.arrivals.rate or 0) >= MORE * (row.arrivals.rate or 0)]
            least = min(busier, key=lambda run: run.measured["ttft_s"], default=row)
            if row.measured["ttft_s"] > LATER * least.measured["ttft_s"]:
                told = f"{least.measured['ttft_s']:.3g} s at {least.arrivals.rate:g} requests/s"
                reason = f"{row.measured['ttft_s']:.3g} s to the first token, {told}"
                found.append(Objection(row, "idle-wait", reason, FIRST))
    return found


def _objections(row: Row) -> Iterator[Objection]:
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
    decoding = measured["req_s"] * (output - 1) * measured["tpot_s"]
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
    given = row.arrivals
    at_once = given.rate is None and (given.concurrency or given.requests or 0) >= (given.requests or 0) > 0
    if not at_once or given.output is None or given.output[0] == given.output[1] or "tpot_s" not in row.measured:
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
    if ttft is not None and bounds.compute(prompt, 1) > MOST_COMPUTE * ttft:
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


RULES = (
    "twin",
    "does-not-start",
    "beyond-context",
    "room",
    "bandwidth",
    "admission",
    "throughput",
    "compute",
    "idle-wait",
    "arrivals",
    "idle-start",
    "short-answers",
    "latencies",
)


if __name__ == "__main__":
    main()
