"""Parts with what a measurement adds to them; used where a memory plan builds its parts.

What a measurement takes off may be more than the part it is booked on has, since a log does not always tell the parts
apart. The rest then comes off the next one, so that no part falls below zero and the sum stays the measured one.

    non-torch 0.25 GiB, correction -1.00 GiB: non-torch 0, activations 0.75 GiB less
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from llmtune.spec.calibration import Corrections
    from llmtune.spec.memory import Part

ORDER = ("non-torch", "activations", "CUDA graphs", "persistent buffers", "weights")
MEASURED = "as measured"
SHOWN = 1 << 20  # bytes of change from which on a part says that it was measured


def correct(
    charged: Iterable[Part], outside: Iterable[Part], corrections: Corrections | None
) -> tuple[list[Part], list[Part]]:
    """Both lists of parts, corrected; as they are without corrections."""
    if corrections is None:
        return list(charged), list(outside)
    slack = corrections.slack
    return (
        _correct(list(charged), corrections.charged, corrections.known, slack),
        _correct(list(outside), corrections.outside, corrections.outside, slack),
    )


def _correct(parts: list[Part], added: Mapping[str, int], known: Collection[str], slack: int) -> list[Part]:
    sizes = {part.name: part.bytes for part in parts}
    for name in ORDER:
        if name in sizes:
            sizes[name] += added.get(name, 0)
    owed = 0
    for name in ORDER:  # what one part cannot give, the next one does
        if name in sizes:
            sizes[name], owed = max(0, sizes[name] + owed), min(0, sizes[name] + owed)
    return [
        _resized(part, sizes.get(part.name, part.bytes), slack if part.name in known and slack else None)
        for part in parts
    ]


def _resized(part: Part, size: int, slack: int | None) -> Part:
    """A part of another size. Its interval moves along, or shrinks to what the measurement leaves open."""
    low, high = part.low + size - part.bytes, part.high + size - part.bytes
    if slack is not None:
        low, high = (size - slack, size + slack) if part.high or size else (0, 0)
    if (size, low, high) == (part.bytes, part.low, part.high):
        return part
    why = f"{part.why}; {MEASURED}" if abs(size - part.bytes) >= SHOWN else part.why
    return replace(part, bytes=size, low=max(0, low), high=max(size, high), why=why)
