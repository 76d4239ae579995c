"""Parts with what a measurement adds to them; used where a memory plan builds its parts.

What a measurement takes off may be more than the part it is booked on has, since a log does not always tell the parts
apart. The rest then comes off the next one, so that no part falls below zero and the sum stays the measured one.

    non-torch 0.25 GiB, correction -1.00 GiB: non-torch 0, activations 0.75 GiB less
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from llmtune.spec.calibration import Corrections
    from llmtune.spec.memory import Part

ORDER = ("non-torch", "activations", "CUDA graphs", "persistent buffers", "weights")
MEASURED = "corrected by a measurement"


def correct(
    charged: Iterable[Part], outside: Iterable[Part], corrections: Corrections | None
) -> tuple[list[Part], list[Part]]:
    """Both lists of parts, corrected; as they are without corrections."""
    if corrections is None:
        return list(charged), list(outside)
    return _correct(list(charged), corrections.charged, corrections), _correct(
        list(outside), corrections.outside, corrections
    )


def _correct(parts: list[Part], added: Mapping[str, int], corrections: Corrections) -> list[Part]:
    sizes = {part.name: part.bytes for part in parts}
    for name in ORDER:
        if name in sizes:
            sizes[name] += added.get(name, 0)
    owed = 0
    for name in ORDER:  # what one part cannot give, the next one does
        if name in sizes:
            sizes[name], owed = max(0, sizes[name] + owed), min(0, sizes[name] + owed)
    return [_resized(part, sizes[part.name], corrections, known=bool(added)) for part in parts]


def _resized(part: Part, size: int, corrections: Corrections, *, known: bool) -> Part:
    """A part of another size. Its interval moves along, or shrinks to what the measurement leaves open."""
    low, high = part.low + size - part.bytes, part.high + size - part.bytes
    if known and part.name in corrections.known:
        low, high = size - corrections.slack, size + corrections.slack
    if (size, low, high) == (part.bytes, part.low, part.high):
        return part
    why = ", ".join(text for text in (part.why, MEASURED) if text)
    return replace(part, bytes=size, low=max(0, low), high=max(size, high), why=why)
