"""A sample of what vLLM 0.33.0's own planning code answered; ``benchmarks/engine_truth.py`` compares every row."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks import engine_truth as truth

SAMPLE = 115
ROWS = truth.load_rows()
STEP = len(ROWS) // SAMPLE + 1
KINDS = {
    "refused": [row for row in ROWS if "error" in row][::8],
    "pipeline stages": [row for row in ROWS if row["pp"] > 1][::6],
    "expert parallel": [row for row in ROWS if "enable_expert_parallel" in row["args"]][::5],
    "any": ROWS[::STEP],
}


def some(rows: list[dict[str, object]]) -> list[truth.Result]:
    return [truth.compare(row) for row in rows]


@pytest.mark.parametrize("kind", KINDS)
def test_plans_weights_and_refusals_are_the_engines(kind: str) -> None:
    results = some(KINDS[kind])
    wrong = [line for result in results if (line := truth._line(result)) and _counts(result)]
    assert not wrong


def _counts(result: truth.Result) -> bool:
    """Whether a row is wrong beyond what the whole table allows: weights may be off by up to 1 % in a few."""
    return bool(result.kv or result.refusal) or abs(result.off or 0) > truth.NEAR


def test_weights_are_close_in_nearly_all_rows() -> None:
    weighed = [abs(result.off) for result in some(KINDS["any"]) if result.off is not None]
    assert sum(off <= truth.CLOSE for off in weighed) >= truth.MOST_CLOSE * len(weighed)


def test_the_sample_stays_small_and_holds_every_kind() -> None:
    assert sum(map(len, KINDS.values())) <= 150
    assert all(len(rows) >= 3 for rows in KINDS.values())


def test_a_wrong_plan_is_told() -> None:
    row = {**next(row for row in ROWS if "error" not in row), "num_blocks": 1}
    assert "num_blocks" in (truth.compare(row).kv or "")
