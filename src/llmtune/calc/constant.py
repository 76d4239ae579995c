"""A number that was measured or read off a source file, with where it comes from and how far off it may be."""

from __future__ import annotations

from dataclasses import replace

from llmtune.spec.record import dataclass


@dataclass(frozen=True, slots=True)
class Constant:
    """``value`` in ``unit``; the truth is expected between ``low`` and ``high``. ``evidence`` says why.

    No constant stands for one model: what differs between models is in the formula. ``observed`` has the value that
    each source of start-ups gives by itself, and ``prior`` what would be assumed without any: value, low, high.
    """

    value: float
    low: float
    high: float
    unit: str
    evidence: str
    observed: tuple[tuple[str, float], ...] = ()
    prior: tuple[float, float, float] | None = None

    def without(self, source: str) -> Constant:
        """The constant as it would be had a source not been seen: the median of the others, else the prior.

        >>> Constant(0.25, 0.1, 0.5, "GiB", "fit", (("a", 0.25), ("b", 0.2)), (0.2, 0.0, 1.0)).without("a").value
        0.2
        """
        others = sorted(value for name, value in self.observed if name != source)
        if len(others) == len(self.observed):
            return self
        if others:
            return replace(self, value=others[len(others) // 2])
        value, low, high = self.prior or (self.value, self.low, self.high)
        return replace(self, value=value, low=low, high=high)


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
