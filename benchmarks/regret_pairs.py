"""The pairs of ``regret``: changes whose direction was measured, against the one that is predicted."""

from __future__ import annotations

from math import log
from typing import TYPE_CHECKING

from benchmarks.performance_rows import load_rows
from benchmarks.speed_of_light import keep

from llmtune.calc.objective import margin

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from benchmarks.performance_rows import Pair
    from benchmarks.regret import Predicted

MOVED = 0.05  # relative change that a pair must show to have a direction
WORSE = 0.02  # below the engine's own configuration
LIKE_DEFAULT = frozenset({
    "tensor-parallel-size", "pipeline-parallel-size", "max-model-len", "gpu-memory-utilization", "trust-remote-code",
    "disable-async-output-proc",  # stands for releases before 0.6.0
})  # fmt: skip


def believed(pairs: Sequence[Pair]) -> list[Pair]:
    """Pairs of which both measurements are plausible, as of any other row."""
    rows = {row.id: row for row in load_rows(usable=True)}
    rows |= {row.id: row for pair in pairs for row in (pair.before, pair.after)}
    kept = {row.id: row.measured for row in keep(list(rows.values()))}
    return [pair for pair in pairs if all(pair.metric in kept.get(row.id, {}) for row in (pair.before, pair.after))]


def pair_table(pairs: Sequence[Pair], predicted: Mapping[str, Predicted], worst: int) -> str:
    """Direction of changes, and choices beside the engine's own configuration."""
    known = [pair for pair in pairs if pair.before.id in predicted and pair.after.id in predicted]
    moved = [pair for pair in known if abs(pair.change) > MOVED]
    wrong = [pair for pair in moved if _gain(pair, predicted) * _measured(pair) <= 0]
    own = [pair for pair in known if set(pair.before.settings) <= LIKE_DEFAULT and pair.before.gpus == pair.after.gpus]
    left = [pair for pair in own if _gain(pair, predicted) > _margin(pair)]
    below = [pair for pair in left if _measured(pair) < -WORSE]
    lines = [
        f"{len(known)} pairs, {len(moved)} move by more than {MOVED:.0%}: direction right in "
        f"{1 - len(wrong) / max(1, len(moved)):.0%}",
        f"{len(own)} of them start from the engine's own values: left {len(left)} times, "
        f"{len(below)} times for something more than {WORSE:.0%} slower",
    ]
    told = [*below, *sorted(wrong, key=lambda pair: -abs(pair.change))[:worst]]
    lines += [f"    {p.id}: predicted {_gain(p, predicted):+.0%}, measured {_measured(p):+.0%}" for p in told]
    return "\n".join(lines)


def _measured(pair: Pair) -> float:
    """The logarithm of what was gained."""
    ratio = log(pair.after_value / pair.before_value)
    return -ratio if pair.metric.startswith("tpot") else ratio


def _margin(pair: Pair) -> float:
    """The gain from which ``recommend`` would make this change."""
    before, after = pair.before, pair.after
    return margin(after.site.resolved, before.site.resolved, other_weights=after.model != before.model)


def _gain(pair: Pair, predicted: Mapping[str, Predicted]) -> float:
    before, after = predicted[pair.before.id], predicted[pair.after.id]
    return log(before.tpot / after.tpot) if pair.metric.startswith("tpot") else log(after.rate / before.rate)
