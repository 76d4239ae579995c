"""How much better a configuration has to be before it takes another one's place."""

from __future__ import annotations

from dataclasses import replace

import pytest

from llmtune.calc.objective import NOISE, UNSURE, margin
from llmtune.spec.deployment import Resolved

PLAIN = Resolved(max_model_len=8192, max_num_seqs=256, max_num_batched_tokens=8192, gpu_memory_utilization=0.9)


@pytest.mark.parametrize(
    ("new", "other_weights", "expected"),
    [
        (replace(PLAIN, tensor_parallel=2, max_num_seqs=512), False, NOISE),
        (replace(PLAIN, expert_parallel=True), False, UNSURE),
        (replace(PLAIN, kv_cache_dtype="fp8"), False, UNSURE),
        (PLAIN, True, UNSURE),
        (replace(PLAIN, expert_parallel=True), True, 2 * UNSURE),
        (replace(PLAIN, pipeline_parallel=2, kv_cache_dtype="fp8"), True, 3 * UNSURE),
    ],
)
def test_doubts_add_up(new: Resolved, *, other_weights: bool, expected: float) -> None:
    assert margin(new, PLAIN, other_weights=other_weights) == pytest.approx(expected)
    assert margin(PLAIN, new, other_weights=other_weights) == pytest.approx(expected)
