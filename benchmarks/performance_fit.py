"""Fits the coefficients of the step-time model to measured runs, on any part of the rows (``performance_traces.py``).

Coefficients start from what public tables of kernel times say (``data/performance_priors.json``: value and the standard
deviation of its logarithm) and move only as far as the rows demand:

    minimise  sum over measurements of weight x softened (log predicted - log measured) ** 2
              + sum over coefficients of (log value - log prior) ** 2 / deviation ** 2

Moves of one quantity on several chips are correlated (``performance_priors.py``); the second sum weighs them together.

Needs numpy and scipy, which llmtune itself does not.
"""

from __future__ import annotations

from collections import Counter
from math import exp
from typing import TYPE_CHECKING, Any

import numpy as np
from benchmarks.performance_priors import correlation, family, load_priors
from benchmarks.performance_traces import coefficients_of
from scipy.optimize import least_squares

if TYPE_CHECKING:
    from collections.abc import Mapping

    from benchmarks.performance_traces import Data

    from llmtune.spec.coefficients import Coefficients

# What coefficients are fitted to. Left out: runs with settings that the model does not know (dstack's multi-step V0,
# prefix caching with repeated prompts), answers of five tokens (infpop), and pages with a handful of rows.
SOURCES = ("inferencex", "gpustack", "iog", "argonne", "llmservingsim")
NOISE = {"tpot": 0.08, "ttft": 0.20, "rate": 0.08}  # deviation of the logarithm: repeated runs, and what means hide
HAIR = 1e-6  # keeps a start within its bounds
SOFT = 1.5  # deviations from which a residual counts less and less


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
