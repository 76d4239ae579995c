"""The coefficients of the step-time model: ``data/coefficients.json``, written by ``tools/fit_performance.py``."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path

from llmtune.spec.coefficients import Coefficient, Coefficients

DATA = Path(__file__).parent / "data" / "coefficients.json"


@lru_cache(maxsize=1)
def load_coefficients() -> Coefficients:
    """All coefficients."""
    data = json.loads(DATA.read_text(encoding="utf-8"))
    entries = {name: Coefficient(**entry) for name, entry in data["coefficients"].items()}
    return Coefficients(entries, tuple(data["measured"]))
