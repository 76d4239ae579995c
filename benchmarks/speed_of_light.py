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
                 it did not wait for other requests, and how long those of other runs of this server did is not known
disturbed        a token a quarter slower than in two other runs of the same server with at least as many clients, and
                 prompts as long, and the same answers: more work cannot take less time, something else ran
room             as many requests decoded, by Little's law, as fill 80 % of the KV cache that settings nobody stated
                 would leave: whether requests waited for blocks is not known
arrivals         requests are said to come much faster than they were served, but none waited for another: another rate
idle-start       of equal prompts that came all at once and fill many steps, half have their first token so late that
                 none can have come in the first fifth of the run: the client or the front end held them back
short-answers    mean TPOT over answers of unequal length that came all at once, or twice as fast as they were served
                 while the first token took as long as ten others: an answer of a few tokens waits in each of them for
                 the prompts of all others, so that the shortest decide, and how many there are is not told
latencies        requests in flight by Little's law (rate x time in the system) are far from those that the load holds:
                 the clock of TTFT and TPOT is another than that of the throughput, which stays

A row that breaks a rule loses the metrics concerned; a row without metrics is excluded.
"""

from __future__ import annotations

import argparse
from collections import Counter, defaultdict
from dataclasses import replace
from itertools import combinations
from typing import TYPE_CHECKING

from benchmarks.performance_rows import load_rows
from benchmarks.speed_bounds import bounds_of
from benchmarks.speed_rules import MORE, Objection, objections

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from benchmarks.performance_rows import Row

TWINS, TWIN_SHARE, ALIKE = 5, 0.8, 0.01  # so many loads, of which so many agree so closely
LATER = 2.0  # times as late
BY_LOAD = frozenset({"max-num-seqs", "max-model-len", "max-num-batched-tokens"})  # which scripts choose for a load
SLOWER, WITNESSES = 1.25, 2  # times as slow, as so many say
FIRST = ("ttft_s", "ttft_p99_s")


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
    found = [*_twins(rows), *_idle_waits(rows), *_disturbed(rows)]
    for row in rows:
        for objection in objections(row):
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
    """Runs of servers of which one has a mean TTFT far above that of a busier run with the same kind of requests."""
    servers: dict[tuple[str, str, str], list[Row]] = defaultdict(list)
    for row in rows:
        if row.arrivals.rate and "ttft_s" in row.measured:
            servers[row.source, row.key, row.arrivals.dataset or str(row.arrivals.prompt)].append(row)
    found = []
    for runs in servers.values():
        late = []
        for row in runs:
            busier = [run for run in runs if (run.arrivals.rate or 0) >= MORE * (row.arrivals.rate or 0)]
            least = min(busier, key=lambda run: run.measured["ttft_s"], default=row)
            if row.measured["ttft_s"] > LATER * least.measured["ttft_s"]:
                told = f"{least.measured['ttft_s']:.3g} s at {least.arrivals.rate:g} requests/s"
                reason = f"{row.measured['ttft_s']:.3g} s to the first token, {told}"
                late.append(Objection(row, "idle-wait", reason, FIRST))
        known = {objection.row.id for objection in late}
        others = [row for row in runs if late and row.id not in known]
        found += [*late, *(Objection(row, "idle-wait", f"as {late[0].row.id}", FIRST) for row in others)]
    return found


def _disturbed(rows: Sequence[Row]) -> Iterator[Objection]:
    """Runs in a closed loop that two others of the same server contradict, which had no less to do."""
    servers: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        if row.arrivals.concurrency and row.arrivals.prompt and "tpot_s" in row.measured:
            settings = {flag: value for flag, value in row.settings.items() if flag not in BY_LOAD}
            place = (row.source, row.model, row.gpu, row.gpus, row.engine, row.environment, row.arrivals.output)
            servers[f"{place} {sorted(settings.items(), key=str)}"].append(row)
    for runs in servers.values():
        for row in runs:
            tpot = row.measured["tpot_s"]
            others = sorted(run.measured["tpot_s"] for run in runs if run is not row and _asks_no_less(run, row))
            if len(others) >= WITNESSES and others[WITNESSES - 1] * SLOWER < tpot:
                told = f"{1e3 * tpot:.1f} ms a token, {1e3 * others[WITNESSES - 1]:.1f} under no less load"
                yield Objection(row, "disturbed", told)


def _asks_no_less(one: Row, other: Row) -> bool:
    """Whether a run has at least the clients and the prompts of another."""
    some, others = one.arrivals, other.arrivals
    return (some.concurrency or 0) >= (others.concurrency or 0) and (some.prompt or (0,)) >= (others.prompt or (0,))


RULES = (
    "twin",
    "disturbed",
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
