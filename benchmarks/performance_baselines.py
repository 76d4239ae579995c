"""What people use in place of a fitted model, on the same rows.

datasheet   every step takes max(bytes / bandwidth, FLOPs / peak) + KV cache / bandwidth, nothing else
three       the same with three shares, of bandwidth, peak and the KV cache's bandwidth, fitted to the training rows
thumb       no replay. TPOT: weights and KV cache of the requests that have room, over 60 % of the bandwidth (or FLOPs
            over 60 % of the peak); TTFT: the prompt's FLOPs over half of the peak; throughput: those requests, each
            at that TPOT, one prompt after the other

The first two use the same traces (``performance_traces``), which keep the time before the scheduler sees a request.
None knows of latencies, of the host or of communication.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from benchmarks.speed_bounds import bounds_of
from scipy.optimize import least_squares

from benchmarks import performance_fit

if TYPE_CHECKING:
    from benchmarks.performance_rows import Row
    from benchmarks.performance_traces import Data, Group
    from benchmarks.speed_bounds import Bounds

DATASHEET = (1.0, 1.0, 1.0)  # shares of bandwidth, peak, and bandwidth for the KV cache
TYPICAL = (0.7, 0.5, 0.6)  # where the fit begins
THUMB_DECODE, THUMB_PREFILL = 0.6, 0.5
TRIES = 20  # until the requests that come by the clock and those that run agree
ROUNDS = 12


@dataclass
class Roofline:
    """Seconds of every step of a deployment's traces at the datasheet's rates: weights, computing, KV cache."""

    group: Group
    weights: np.ndarray
    compute: np.ndarray
    kv_cache: np.ndarray

    def predict(self, shares: tuple[float, ...]) -> dict[str, np.ndarray]:
        """Means of every row."""
        bandwidth, peak, cache = shares
        seconds = np.maximum(self.weights / bandwidth, self.compute / peak) + self.kv_cache / cache
        return self.group.means(seconds, self.group.front_end)


def rooflines(data: Data) -> list[Roofline]:
    """The rooflines of all deployments."""
    return [_roofline(group, bounds_of(data.rows[group.rows[0]].key)) for group in data.groups]


def _roofline(group: Group, bounds: Bounds) -> Roofline:
    work, batch = group.work, group.batch
    tokens = np.asarray(batch.decodes * work.decode_tokens + batch.prefill_tokens)
    sampled = batch.decodes * work.decode_tokens + batch.prefills
    read = np.full(len(tokens), sum(part.bytes for part in (*work.dense, *work.head)))
    compute = sum(part.flops / bounds.peak(part.kernel) for part in work.dense) * tokens
    compute = compute + sum(part.flops / bounds.peak(part.kernel) for part in work.head) * sampled
    for part in work.experts:
        routed = tokens * work.replicas
        read = read + part.bytes * (1 - (1 - part.share) ** routed)
        compute = compute + part.flops / bounds.peak(part.kernel) * routed
    kept = work.state_bytes * (batch.decodes + batch.prefills)
    for cache in work.caches:
        context = np.minimum(batch.context, cache.window) if cache.window else batch.context
        kept = kept + cache.bytes * (batch.decodes * context + batch.read)
        compute = compute + cache.prefill_flops / bounds.peak("plain") * batch.pairs
    return Roofline(group, read / bounds.bandwidth, compute, kept / bounds.bandwidth)


def predict(data: Data, lines: list[Roofline], shares: tuple[float, ...]) -> dict[str, np.ndarray]:
    """Predicted means of all rows."""
    found = {name: np.full(len(data.rows), np.nan) for name in performance_fit.NOISE}
    for line in lines:
        for name, values in line.predict(shares).items():
            found[name][line.group.rows] = values
    return found


def fit(data: Data, lines: list[Roofline], mask: np.ndarray) -> tuple[float, ...]:
    """The three shares that fit the rows of a mask, weighed and softened as in ``performance_fit``."""
    weights = np.sqrt(performance_fit.weigh(data, mask))
    used = [line for line in lines if mask[line.group.rows].any()]

    def residuals(x: np.ndarray) -> np.ndarray:
        found = predict(data, used, tuple(np.exp(x)))
        parts = []
        for name, noise in performance_fit.NOISE.items():
            known = mask & np.isfinite(data.measured[name]) & np.isfinite(found[name])
            parts.append(np.log(found[name][known] / data.measured[name][known]) * weights[known] / noise)
        return np.concatenate(parts)

    solved = least_squares(residuals, np.log(TYPICAL), loss="soft_l1", max_nfev=ROUNDS)
    return tuple(float(share) for share in np.exp(solved.x))


def rule_of_thumb(rows: list[Row]) -> dict[str, np.ndarray]:
    """What the rule says of every row."""
    found = [_by_thumb(row) for row in rows]
    return {name: np.array([one[name] for one in found]) for name in performance_fit.NOISE}


def _by_thumb(row: Row) -> dict[str, float]:
    """One row.

    Example:
        16 GB of weights on 1 TB/s, short answers to short prompts: 27 ms a token.

    """
    bounds, given = bounds_of(row.key), row.arrivals
    if given.means is None or bounds.tokens is None:
        return dict.fromkeys(performance_fit.NOISE, np.nan)
    prompt, output = given.means
    resolved = bounds.site.resolved
    seats = max(1.0, min(resolved.max_num_seqs, bounds.tokens / (prompt + output)))
    ttft = bounds.compute(prompt, 1) / THUMB_PREFILL
    running = min(seats, (given.concurrency or given.batch or given.requests or 1) / resolved.data_parallel)
    for _ in range(TRIES):
        tpot = bounds.step(max(1.0, running), prompt + output / 2) / THUMB_DECODE / bounds.work.decode_tokens
        if given.rate is None:
            break
        running = min(seats, given.rate / resolved.data_parallel * (ttft + output * tpot))
    most = output / (ttft + output * tpot / max(1.0, running)) * resolved.data_parallel
    rate = most if given.rate is None else min(most, given.rate * output)
    return {"tpot": tpot, "ttft": ttft, "rate": rate}
