"""Prices of GPUs per hour: what somebody asks for one on demand, dated (``data/prices.json``)."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path

from llmtune.spec.offer import Price

DATA = Path(__file__).parent / "data" / "prices.json"


@lru_cache(maxsize=1)
def load_prices() -> dict[str, Price]:
    """Every price that is known, by the GPU's name. A GPU that is not in it has no public price with a source."""
    entries = json.loads(DATA.read_text(encoding="utf-8"))["prices"]
    return {gpu: Price(**entry) for gpu, entry in entries.items()}
