"""Measured coefficients of the step-time model: what share of a datasheet's rate is reached, what an action costs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.spec.record import dataclass

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Coefficient:
    """One coefficient: value and interval in ``unit``, and where it comes from."""

    value: float
    unit: str
    low: float
    high: float
    evidence: str


@dataclass(frozen=True, slots=True)
class Coefficients:
    """All coefficients by name. A name is a quantity and what it holds for: ``bandwidth_share/fp8/hopper``.

    ``measured`` names chips with the engine generations that servers were measured with (``hopper/async``); others
    rest on kernel timings or on what is like them.
    """

    entries: Mapping[str, Coefficient]
    measured: tuple[str, ...] = ()

    def value(self, quantity: str, *keys: str) -> float:
        """The value for the most specific name there is: with all keys, else without the last, and so on.

        Raises:
            KeyError: for a quantity that has no entry at all.

        """
        return self.entries[self.name(quantity, *keys)].value

    def name(self, quantity: str, *keys: str) -> str:
        """The name of the entry that ``value`` takes."""
        for count in range(len(keys), 0, -1):
            name = "/".join((quantity, *keys[:count]))
            if name in self.entries:
                return name
        return quantity
