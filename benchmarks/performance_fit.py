"""Fits the coefficients of the step-time model to measured runs, on any part of the rows.

A row's load is replayed once (``calc/simulation.py``); its trace gives mean TTFT, TPOT and the duration as sums over
steps, so that thousands of sets of coefficients can be tried without replaying. Coefficients start from what public
tables of kernel times say (``data/performance_priors.json``: value and the standard deviation of its logarithm) and
move only as far as the rows demand:

    minimise  sum over measurements of weight x softened (log predicted - log measured) ** 2
              + sum over coefficients of (log value - log prior) ** 2 / deviation ** 2

Moves of one quantity on several chips are correlated (``performance_priors.py``); the second sum weighs them together.

Needs numpy and scipy, which llmtune itself does not.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field, replace
from math import exp, nan
from typing import TYPE_CHECKING, Any

import numpy as np
from benchmarks.performance_priors import correlation, family, load_priors
from benchmarks.performance_rows import memory_of
from scipy.optimize import least_squares

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

# What coefficients are fitted to. Left out: runs with settings that the model does not know (dstack's multi-step V0,
# prefix caching with repeated prompts), answers of five tokens (infpop), and pages with a handful of rows.
SOURCES = ("inferencex", "gpustack", "iog", "argonne", "llmservingsim")
NOISE = {"tpot": 0.08, "ttft": 0.20, "rate": 0.08}  # deviation of the logarithm: repeated runs, and what means hide
MOST_IDLE = 0.02  # share of the run that a server may wait for requests and still count as busy
HAIR = 1e-6  # keeps a start within its bounds
SOFT = 1.5  # deviations from which a residual counts less and less
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


def predict(data: Data, values: Mapping[str, float]) -> dict[str, np.ndarray]:
    """Predicted means of all rows; not a number where a row was refused."""
    coefficients = coefficients_of(values)
    found = {name: np.full(len(data.rows), np.nan) for name in NOISE}
    for group in data.groups:
        for name, values_ in group.predict(coefficients).items():
            found[name][group.rows] = values_
    return found


def fit(
    data: Data, mask: np.ndarray, *, start: Mapping[str, float] | None = None, rounds: int = 12
) -> dict[str, float]:
    """Coefficients fitted to the rows of a mask; those that no row depends on keep their priors."""
    priors = load_priors()
    problem = _Problem(data, mask, priors)
    begin = np.array([np.log((start or {}).get(n, priors[n]["value"]) / priors[n]["value"]) for n in problem.names])
    begin = np.minimum(begin, problem.highest - HAIR)
    solved = least_squares(
        problem.residuals,
        begin,
        jac=problem.jacobian,
        bounds=(-np.inf, problem.highest),
        max_nfev=rounds,
        x_scale=problem.deviations,
    )
    return problem.values(solved.x)


def deviations(data: Data, mask: np.ndarray, values: Mapping[str, float]) -> dict[str, float]:
    """Standard deviations of the logarithms of fitted coefficients, from the curvature at a fit."""
    priors = load_priors()
    problem = _Problem(data, mask, priors)
    matrix = problem.jacobian(np.array([np.log(values[name] / priors[name]["value"]) for name in problem.names]))
    spread = np.sqrt(np.diag(np.linalg.inv(matrix.T @ matrix)))
    return {name: float(one) for name, one in zip(problem.names, spread, strict=True)}


class _Problem:
    """Residuals and their derivatives; a coefficient moves only the groups that asked for it."""

    def __init__(self, data: Data, mask: np.ndarray, priors: Mapping[str, Mapping[str, Any]]) -> None:
        self.priors = priors
        self.groups = [group for group in data.groups if mask[group.rows].any()]
        asked = frozenset().union(*(group.names for group in self.groups))
        self.names = [name for name in priors if name in asked and not priors[name].get("fixed")]
        self.deviations = np.array([priors[name]["deviation"] for name in self.names])
        limits = [1 / priors[n]["value"] if priors[n]["unit"] == "share" else np.inf for n in self.names]
        self.highest = np.log(np.array(limits)) + HAIR  # nothing is faster than the datasheet
        self.rest = [n for n in priors if n not in asked and family(n) and not priors[n].get("fixed")]
        known = correlation(self.names, self.names)
        self.ties = np.linalg.inv(np.linalg.cholesky(known)) / self.deviations
        follow = np.linalg.solve(known, correlation(self.names, self.rest)).T / self.deviations
        self.follow = follow * np.array([[priors[name]["deviation"]] for name in self.rest])
        self.users = {n: [i for i, group in enumerate(self.groups) if n in group.names] for n in self.names}
        shares = weigh(data, mask)
        self.parts: list[list[tuple[str, np.ndarray, np.ndarray, np.ndarray]]] = []
        self.slices: list[slice] = []
        place = 0
        for group in self.groups:
            rows = np.array(group.rows)
            parts = []
            for name, noise in NOISE.items():
                measured = data.measured[name][rows]
                use = mask[rows] & np.isfinite(measured)
                if use.any():
                    parts.append((name, use, np.log(measured[use]), np.sqrt(shares[rows][use]) / noise))
            self.parts.append(parts)
            size = sum(int(part[1].sum()) for part in parts)
            self.slices.append(slice(place, place + size))
            place += size
        self.size = place

    def values(self, x: np.ndarray) -> dict[str, float]:
        """The coefficients at a point: all of the priors, those that are fitted moved."""
        found = {name: float(entry["value"]) for name, entry in self.priors.items()}
        for name, move in (*zip(self.names, x, strict=True), *zip(self.rest, self.follow @ x, strict=True)):
            found[name] *= exp(move)
            if self.priors[name]["unit"] == "share":
                found[name] = min(found[name], 1.0)
        return found

    def of_group(self, index: int, coefficients: Coefficients) -> np.ndarray:
        """The softened residuals of one group."""
        found = self.groups[index].predict(coefficients)
        raw = [(np.log(found[name][use]) - target) * weight for name, use, target, weight in self.parts[index]]
        return _soften(np.concatenate(raw)) if raw else np.zeros(0)

    def residuals(self, x: np.ndarray) -> np.ndarray:
        """All of them, those of the priors last."""
        coefficients = coefficients_of(self.values(x))
        parts = [self.of_group(index, coefficients) for index in range(len(self.groups))]
        return np.concatenate([*parts, self.ties @ x])

    def jacobian(self, x: np.ndarray) -> np.ndarray:
        """Derivatives, by differences."""
        base = coefficients_of(self.values(x))
        here = [self.of_group(index, base) for index in range(len(self.groups))]
        matrix = np.zeros((self.size + len(x), len(x)))
        step = 1e-4
        for column, name in enumerate(self.names):
            moved = x.copy()
            moved[column] += step
            coefficients = coefficients_of(self.values(moved))
            for index in self.users[name]:
                change = self.of_group(index, coefficients) - here[index]
                matrix[self.slices[index], column] = change / step
        matrix[self.size :] = self.ties
        return matrix


def _soften(residuals: np.ndarray) -> np.ndarray:
    """Cauchy: a machine that is far off, for a reason of its own, hardly moves what all share."""
    softened: np.ndarray = np.sign(residuals) * SOFT * np.sqrt(np.log1p((residuals / SOFT) ** 2))
    return softened


def weigh(data: Data, mask: np.ndarray) -> np.ndarray:
    """Rows of one source, model and GPU say the same thing many times: each group counts as the root of its number."""
    keys = [(row.source, row.model, row.gpu, row.engine) for row in data.rows]
    counts = Counter(key for key, used in zip(keys, mask, strict=True) if used)
    return np.array([counts[key] ** -0.5 if counts[key] else 0.0 for key in keys])
