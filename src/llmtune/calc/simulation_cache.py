"""The KV cache of a simulated server: which blocks are in use, and when decoding requests take the next ones.

A decoding request's future is known: it takes its next block at a certain decode step. So every request writes all
its steps into one list when it starts to decode, and the blocks in use after n steps are a sum over the list, whatever
the number of requests.
"""

from __future__ import annotations

from itertools import accumulate
from math import ceil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llmtune.calc.simulation_server import Server

EDGE = 1e-9  # tokens: a sum of accepted tokens may miss a whole number by this


class KvBlocks:
    """Blocks in use out of ``total``. Where ``ample`` all requests fit at once, and nothing is counted."""

    def __init__(self, server: Server, total: int) -> None:
        """Start empty."""
        self.total = total
        self.used = 0
        self.taken = 0  # so far, whether given back since or not
        self.ample = False
        self.progress = 1.0 + server.accepted_tokens
        self._ahead = 1 + server.draft_tokens
        self._limit = server.max_model_len
        self._of = server.request_blocks
        self._size = server.block_size
        self._known: dict[int, int] = {0: 0}
        self._growth: list[int] = []
        self._plans: dict[tuple[int, int], list[tuple[int, int]]] = {}

    def holding(self, tokens: int) -> int:
        """Blocks that hold a request's tokens."""
        index = -(-tokens // self._size)
        found = self._known.get(index)
        if found is None:
            found = self._known[index] = self._of(index * self._size)
        return found

    def after(self, base: int, steps: int) -> int:
        """Blocks of a request with ``base`` tokens computed, after so many decode steps."""
        return self.holding(self._tokens(base, steps) if steps else base)

    def steps(self, tokens: int) -> int:
        """Decode steps that give so many tokens."""
        return ceil(tokens / self.progress - EDGE)

    def take(self, blocks: int) -> None:
        """Give free blocks to a request."""
        self.used += blocks
        self.taken += blocks

    def free(self, blocks: int) -> None:
        """Get blocks back."""
        self.used -= blocks

    def plan(self, base: int, start: int, steps: int) -> None:
        """Write down the blocks that a request with ``base`` tokens takes at its decode steps from ``start`` on."""
        growth = self._growth
        if len(growth) < start + steps:
            growth.extend([0] * (start + steps - len(growth)))
        for step, blocks in self._taken(base, steps):
            growth[start + step] += blocks

    def strike(self, base: int, start: int, steps: int, since: int) -> None:
        """Take back what :func:`plan` wrote from step ``since`` on."""
        for step, blocks in self._taken(base, steps):
            if start + step >= since:
                self._growth[start + step] -= blocks

    def growth(self, step: int) -> int:
        """Blocks that decoding requests take at a step."""
        return self._growth[step] if step < len(self._growth) else 0

    def advance(self, step: int, steps: int) -> None:
        """Take the blocks of ``steps`` decode steps from ``step`` on."""
        self.take(sum(self._growth[step : step + steps]))

    def steps_that_fit(self, step: int, steps: int) -> int:
        """How many of the next ``steps`` decode steps find their blocks free."""
        fit = -1
        for used in accumulate(self._growth[step : step + steps], initial=self.used):
            if used > self.total:
                return fit
            fit += 1
        return steps

    def _tokens(self, base: int, steps: int) -> int:
        """Tokens with a place in the cache once ``steps`` decode steps have run."""
        return min(self._limit, base + self._ahead + int(self.progress * (steps - 1) + EDGE))

    def _taken(self, base: int, steps: int) -> list[tuple[int, int]]:
        """The decode steps, from 0 on, at which a request takes blocks, and how many. Alike requests share a list."""
        found = self._plans.get((base, steps))
        if found is None:
            found = self._plans[base, steps] = list(self._takes(base, self._tokens(base, steps)))
        return found

    def _takes(self, base: int, last: int) -> Iterator[tuple[int, int]]:
        size, ahead, progress = self._size, self._ahead, self.progress
        held = self.holding(base)
        for edge in range(-(-base // size) * size, last, size):
            blocks = self.holding(edge + 1)
            if blocks > held:
                yield max(0, ceil((edge + 1 - base - ahead) / progress - EDGE)), blocks - held
                held = blocks
