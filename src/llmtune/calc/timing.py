"""What benchmarks that were run on a machine say of predicted times: one factor for decode, one for prefill.

A record keeps what was measured, not how far a prediction was off, so factors are computed when they are used: until
simulated TPOT and TTFT under the measured loads are the measured ones. They hold for deployments whose steps cost the
same: GPU, release, model and everything in ``STEP``; limits of the batch and lengths may differ, since the replay
knows them.

    measured TPOT 11 ms, predicted 10 ms: decode x 1.1
"""

from __future__ import annotations

from math import exp, log
from typing import TYPE_CHECKING

from llmtune.calc.calibration import identify
from llmtune.calc.predict import Factors, describe_server
from llmtune.calc.simulation import simulate

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from llmtune.calc.shares import Site
    from llmtune.spec.calibration import Identity, Record, Timing
    from llmtune.spec.coefficients import Coefficients
    from llmtune.spec.memory import Memory

STEP = (
    "runner", "tensor_parallel", "pipeline_parallel", "data_parallel", "decode_context_parallel", "expert_parallel",
    "enforce_eager", "cudagraph_mode", "speculative_method", "speculative_tokens", "dtype", "quantization",
    "kv_cache_dtype", "attention_backend", "async_scheduling", "async_output_proc", "fuses_norms", "cpu_offload",
)  # fmt: skip
ROUNDS = 4
MOST = 4  # runs that are replayed, spread over those there are
BOUNDS = (0.2, 5.0)  # a factor beyond is another machine or another load, not an error of the model


def find_factors(records: Iterable[Record], site: Site, memory: Memory, coefficients: Coefficients) -> Factors | None:
    """The factors of the last record whose steps cost what this deployment's do; None without one."""
    timed = [record for record in records if record.times]
    if not timed or memory.kv is None:
        return None
    identity = identify(site)
    for record in reversed(timed):
        if same_steps(record.identity, identity):
            return fit_factors(record, site, memory, coefficients)
    return None


def same_steps(one: Identity, other: Identity) -> bool:
    """Whether an engine step over the same batch takes the same time."""
    same = (one.gpu, one.release, one.family) == (other.gpu, other.release, other.family)
    return same and one.model == other.model and all(one.settings.get(key) == other.settings.get(key) for key in STEP)


def fit_factors(record: Record, site: Site, memory: Memory, coefficients: Coefficients) -> Factors:
    """Factors with which the simulated loads of a record take what was measured."""
    times = _spread(record.times)
    decode = prefill = 1.0
    for _ in range(ROUNDS):
        tried = Factors(decode, prefill)
        server = describe_server(site, memory, coefficients, factors=tried)
        found = [(timing, simulate(server, timing.load)) for timing in times]
        decode = _closer(decode, [(t.tpot, f.tpot.mean) for t, f in found])
        prefill = _closer(prefill, [(t.ttft, f.ttft.mean) for t, f in found])
    when = f" on {record.measured}" if record.measured else ""
    said = (
        f"times are calibrated by {record.name}: decode x {decode:.2f}, prefill x {prefill:.2f}, as measured{when} "
        f"under {_count(len(record.times), 'load')}"
    )
    return Factors(decode, prefill, said)


def _spread(times: Sequence[Timing]) -> list[Timing]:
    """At most ``MOST`` of the runs, from the first to the last."""
    if len(times) <= MOST:
        return list(times)
    return [times[round(place * (len(times) - 1) / (MOST - 1))] for place in range(MOST)]


def _closer(factor: float, pairs: Iterable[tuple[float | None, float]]) -> float:
    """The factor times the geometric mean of measured over simulated."""
    logs = [log(measured / simulated) for measured, simulated in pairs if measured and simulated > 0]
    low, high = BOUNDS
    return min(high, max(low, factor * exp(sum(logs) / len(logs)))) if logs else factor


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'s' if number != 1 else ''}"
