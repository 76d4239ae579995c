"""A number that was measured or read off a source file, with where it comes from and how far off it may be."""

from __future__ import annotations

from llmtune.spec.record import dataclass


@dataclass(frozen=True, slots=True)
class Constant:
    """``value`` in ``unit``; the truth is expected between ``low`` and ``high``. ``evidence`` says why.

    No constant stands for one model: what differs between models is in the formula.
    """

    value: float
    low: float
    high: float
    unit: str
    evidence: str


@dataclass(frozen=True, slots=True)
class Range:
    """Bytes as expected, at least and at most."""

    bytes: int
    low: int
    high: int

    def __add__(self, other: Range) -> Range:
        """Both together."""
        return Range(self.bytes + other.bytes, self.low + other.low, self.high + other.high)


NOTHING = Range(0, 0, 0)


def exactly(count: float) -> Range:
    """Bytes that are known."""
    return Range(int(count), int(count), int(count))


def times(constant: Constant, amount: float) -> Range:
    """A constant per something, times how much of it there is.

    >>> times(Constant(14, 13, 16, "B", "fit"), 10)
    Range(bytes=140, low=130, high=160)
    """
    return Range(int(constant.value * amount), int(constant.low * amount), int(constant.high * amount))


def largest(*ranges: Range) -> Range:
    """The peak of several phases: they reuse the same memory."""
    return Range(max(r.bytes for r in ranges), max(r.low for r in ranges), max(r.high for r in ranges))
