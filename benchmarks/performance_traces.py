"""Measured rows with what a replay of their loads says of them, as sums over steps.

A row's load is replayed once (``calc/simulation.py``); its trace gives mean TTFT, TPOT and the duration as sums over
steps, so that thousands of sets of coefficients can be tried without replaying. Needs numpy, which llmtune itself does
not.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, replace
from math import nan
from typing import TYPE_CHECKING

import numpy as np
from benchmarks.performance_rows import memory_of

from llmtune.calc.errors import Refused
from llmtune.calc.predict import FRONT_END, FRONT_END_TOKEN, describe_server
from llmtune.calc.simulation import Server, Trace, trace
from llmtune.calc.step_costs import Rates, cost, generation
from llmtune.calc.step_time import Batch, step_time
from llmtune.calc.step_work import describe_work
from llmtune.spec.coefficients import Coefficient, Coefficients

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from benchmarks.performance_rows import Row

    from llmtune.calc.shares import Site
    from llmtune.calc.step_work import StepWork

MOST_IDLE = 0.02  # share of the run that a server may wait for requests and still count as busy
FIELDS = ("decodes", "context", "prefill_tokens", "prefills", "pairs", "read")


class Tracked(Coefficients):
    """Coefficients that remember which were asked for."""

    asked: set[str]

    def value(self, quantity: str, *keys: str) -> float:
        """The value, noted."""
        self.asked.add(self.name(quantity, *keys))
        return super().value(quantity, *keys)


@dataclass
class Group:
    """The rows of one deployment, and the steps of their traces end to end."""

    site: Site
    work: StepWork
    rows: list[int]
    batch: Batch
    starts: np.ndarray  # where each row's steps begin
    counts: np.ndarray
    weights: dict[str, np.ndarray]  # of each step in the mean of tpot and ttft
    constants: dict[str, np.ndarray]
    idle: np.ndarray
    totals: np.ndarray  # output tokens of the run, over all replicas
    prompts: np.ndarray  # mean prompt tokens
    front_end: np.ndarray  # seconds that the traces have before the scheduler sees a request
    names: frozenset[str] = frozenset()

    def predict(self, coefficients: Coefficients) -> dict[str, np.ndarray]:
        """Means of every row: tpot and ttft in seconds, rate in output tokens per second."""
        costs = cost(self.work, Rates(self.site.hardware, generation(self.site), coefficients), site=self.site)
        return self.means(step_time(costs, self.batch).total, _front_end(coefficients, self.prompts))

    def means(self, seconds: np.ndarray, front_end: np.ndarray) -> dict[str, np.ndarray]:
        """The same, where every step takes so many seconds and the front end so many before a request is seen."""
        found = {
            name: np.add.reduceat(weights * seconds, self.starts) + self.constants[name]
            for name, weights in self.weights.items()
        }
        found["ttft"] += front_end - self.front_end
        found["rate"] = self.totals / (np.add.reduceat(self.counts * seconds, self.starts) + self.idle)
        return found


@dataclass
class Data:
    """Rows with their traces and what was measured; rows that cannot be replayed are in ``refused`` with the reason."""

    rows: list[Row]
    groups: list[Group] = field(default_factory=list)
    measured: dict[str, np.ndarray] = field(default_factory=dict)
    refused: dict[int, str] = field(default_factory=dict)


def coefficients_of(values: Mapping[str, float], kind: type[Coefficients] = Coefficients) -> Coefficients:
    """Coefficients with these values."""
    return kind({name: Coefficient(value, "", value, value, "") for name, value in values.items()})


def replay(rows: Sequence[Row], values: Mapping[str, float]) -> dict[str, Trace | str]:
    """The trace of every row by id, with the costs of these coefficients; the reason where it cannot be replayed."""
    coefficients = coefficients_of(values)
    found: dict[str, Trace | str] = {}
    servers: dict[str, Server | str] = {}
    for row in rows:
        try:
            if row.key not in servers:
                servers[row.key] = describe_server(row.site, memory_of(row.key), coefficients)
            server = servers[row.key]
            found[row.id] = server if isinstance(server, str) else trace(server, row.load)
        except (Refused, ValueError) as error:
            found[row.id] = str(error)
            servers.setdefault(row.key, str(error))
    return found


def prepare(rows: Sequence[Row], traces: Mapping[str, Trace | str], values: Mapping[str, float]) -> Data:
    """Rows with their traces, which were made with the costs of these coefficients."""
    data = Data(list(rows))
    coefficients = coefficients_of(values)
    by_key: dict[str, list[int]] = defaultdict(list)
    for index, row in enumerate(rows):
        found = traces[row.id]
        if isinstance(found, str):
            data.refused[index] = found
        else:
            by_key[row.key].append(index)
    for indexes in by_key.values():
        several = [one for one in (traces[rows[index].id] for index in indexes) if isinstance(one, Trace)]
        data.groups.append(_group(data, indexes, several, coefficients))
    for name, key in (("tpot", "tpot_s"), ("ttft", "ttft_s")):
        data.measured[name] = np.array([row.measured.get(key) or np.nan for row in rows])
    data.measured["rate"] = np.array([_rate(row, traces[row.id]) for row in rows])
    return data


def _rate(row: Row, replayed: Trace | str) -> float:
    """Output tokens a second, where that says something about the server: not where it waits for requests."""
    if isinstance(replayed, str):
        return nan
    tokens, measured = replayed.output_tokens, row.measured
    busy = replayed.idle < MOST_IDLE * tokens / measured.get("output_tok_s", tokens)
    if row.load.rate is not None and not busy:
        return nan
    if "output_tok_s" in measured:
        return float(measured["output_tok_s"])
    return float(measured.get("total_tok_s", nan)) * tokens / (tokens + replayed.prompt_tokens)


def _group(data: Data, indexes: list[int], traces: list[Trace], coefficients: Coefficients) -> Group:
    site = data.rows[indexes[0]].site
    steps = [step for one in traces for step in one.steps]
    lengths = [len(one.steps) for one in traces]
    prompts = np.array([one.prompt_tokens / one.requests for one in traces])
    tracked = Tracked(coefficients.entries)
    tracked.asked = set()
    group = Group(
        site=site,
        work=describe_work(site),
        rows=indexes,
        batch=Batch(*(np.array([getattr(step.batch, name) for step in steps], float) for name in FIELDS)),
        starts=np.cumsum([0, *lengths[:-1]]),
        counts=np.array([step.count for step in steps], float),
        weights={name: np.array([getattr(step, name) for step in steps], float) for name in ("tpot", "ttft")},
        constants={name: np.array([getattr(one, name) for one in traces]) for name in ("tpot", "ttft")},
        idle=np.array([one.idle for one in traces]),
        totals=np.array([one.output_tokens / one.share for one in traces], float),
        prompts=prompts,
        front_end=_front_end(coefficients, prompts),
    )
    group.predict(tracked)
    return replace(group, names=frozenset(tracked.asked))


def _front_end(coefficients: Coefficients, prompts: np.ndarray) -> np.ndarray:
    """Seconds before the scheduler sees a request, for mean prompts."""
    seconds: np.ndarray = coefficients.value(FRONT_END) + coefficients.value(FRONT_END_TOKEN) * prompts
    return seconds
