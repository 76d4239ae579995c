"""What a replay takes down: steps, gaps between tokens, KV cache, preemptions."""

from __future__ import annotations

from typing import NamedTuple

from llmtune.calc.step_time import Batch

PIECES = 8  # of a jump whose first and last step differ in length
ALIKE = 0.002  # relative difference of step times that is not worth pieces


class Steps(NamedTuple):
    """``number`` steps in a row with the same requests in the batch, from second ``start`` on.

    ``context`` is the mean over decoding requests and steps; ``tokens`` to ``read`` are a batch's prefill. ``first``
    and ``last`` are the seconds of the first and the last of them, ``seconds`` of all.
    """

    start: float
    number: int
    decodes: int
    context: float
    tokens: int
    prefills: int
    pairs: float
    read: float
    first: float
    last: float
    seconds: float

    @property
    def batch(self) -> Batch:
        """What the model works on in each of them."""
        return Batch(self.decodes, self.context, self.tokens, self.prefills, self.pairs, self.read)


class Tally:
    """The notes of one replay. A request's gaps are the steps that it decoded in, and those of ``long_gaps``.

    ``stalls`` are steps whose decodes had waited longer than the step took: their gaps are in ``long_gaps``
    (seconds and number of requests).
    """

    def __init__(self) -> None:
        """Start with nothing."""
        self.steps: list[Steps] = []
        self.stalls: set[int] = set()  # indexes into ``steps``
        self.long_gaps: list[tuple[float, int]] = []
        self.idle = 0.0
        self.kv_used = 0
        self.request_seconds = 0.0  # running requests, each by the time it runs

    def gaps(self) -> list[tuple[float, float]]:
        """Gaps between tokens with their number. The steps of a jump grow evenly and are cut into a few pieces."""
        gaps: list[tuple[float, float]] = list(self.long_gaps)
        for index, steps in enumerate(self.steps):
            if not steps.decodes or index in self.stalls:
                continue
            if steps.last - steps.first <= ALIKE * steps.first:
                gaps.append((steps.seconds / steps.number, steps.number * steps.decodes))
                continue
            pieces = min(PIECES, steps.number)
            rise = (steps.last - steps.first) / max(1, steps.number - 1)
            width = steps.number / pieces
            for piece in range(pieces):
                middle = (piece + 0.5) * width - 0.5
                gaps.append((steps.first + rise * middle, width * steps.decodes))
        return gaps
