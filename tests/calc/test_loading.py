"""How long loading takes: bytes of all weights, and times that only grow with them."""

from __future__ import annotations

from llmtune.calc.loading import weight_bytes
from llmtune.cli.loading import load_model


def test_bytes_of_all_weights_are_those_of_one_gpu() -> None:
    model = load_model("Qwen/Qwen3-8B", offline=True)
    layer = 385_892_864
    assert weight_bytes(model) == 36 * layer + 2 * 151_936 * 4096 * 2 + 4096 * 2 == 16_381_470_720
