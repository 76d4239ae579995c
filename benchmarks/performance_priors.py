"""What is known of the coefficients before end-to-end rows are looked at, and what they have in common.

``data/performance_priors.json`` has a value and the standard deviation of its logarithm for each. What tables of
kernels miss of an engine they miss on every chip: moves of one quantity on NVIDIA's chips are correlated (``ALIKE``),
so that a chip nobody measured shares in what is known of the others.
"""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

PRIORS = Path(__file__).parent / "data" / "performance_priors.json"
ALIKE = 0.8  # correlation of the moves of one quantity on different chips; 0.5 and none did worse on unseen GPUs online
CHIPS = {"volta", "ampere", "ada", "hopper", "blackwell", "blackwell-12"}  # AMD's priors come from no tables
APART = {"mxfp4", "processor_bandwidth"}  # other libraries, or other multiprocessors, on each chip


def load_priors() -> dict[str, dict[str, Any]]:
    """The priors by name."""
    priors: dict[str, dict[str, Any]] = json.loads(PRIORS.read_text(encoding="utf-8"))["priors"]
    return priors


@lru_cache(maxsize=1)
def prior_values() -> dict[str, float]:
    """The priors' values."""
    return {name: float(entry["value"]) for name, entry in load_priors().items()}


def family(name: str) -> str:
    """What a coefficient shares with those of other chips: its name without the chip. Empty where it shares nothing."""
    parts = name.split("/")
    kept = "/".join(part for part in parts if part not in CHIPS)
    return kept if kept != name and APART.isdisjoint(parts) else ""


def correlation(some: Sequence[str], others: Sequence[str]) -> np.ndarray:
    """Correlations between the moves of some coefficients and those of others."""
    families = [family(other) for other in others]
    rows = [[ALIKE * (one != "" and one == family(name)) for one in families] for name in some]
    same = np.array([[one == other for other in others] for one in some], bool).reshape(len(some), len(others))
    return np.where(same, 1.0, np.array(rows).reshape(same.shape))
