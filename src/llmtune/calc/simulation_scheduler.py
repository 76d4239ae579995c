"""vLLM's scheduler over requests whose future is known: who is in the next batch.

The rules, those of V1 (vLLM 0.19.0 and 0.33.0 v1/core/sched/scheduler.py::Scheduler.schedule) and, where named so, V0
(0.6.6 core/scheduler.py::_schedule_default):

* a step's tokens go to running requests in the order of their admission, so decodes come before the rest of a long
  prompt, then to waiting requests, first come first served, while slots (``max_num_seqs``), the budget
  (``max_num_batched_tokens``) and KV blocks last; the first that does not fit ends the search;
* without chunked prefill a prompt is taken whole or not at all; V0 then gives steps to prompts alone, before decodes;
* a running request that finds no free block puts out the one admitted last, which starts again at the head of the
  queue with its tokens so far as its prompt, less those of its blocks that nobody has taken until then where prefixes
  are cached; nothing is admitted in such a step;
* the step that computes the last prompt token gives the first output token.

Decoding requests are never walked through: every decode step gives each of them the same number of tokens, so sums
and the step at which each one ends say everything.
"""

from __future__ import annotations

from collections import deque
from heapq import heappop, heappush
from typing import TYPE_CHECKING

from llmtune.calc.errors import Refused
from llmtune.calc.simulation_cache import KvBlocks

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from llmtune.calc.simulation_request import Request
    from llmtune.calc.simulation_server import Server

TOO_LARGE = "a request of {} tokens needs {} KV blocks; there are {}"
OVER_BUDGET = "a prompt of {} tokens exceeds max_num_batched_tokens ({}), and prefill is not chunked"


class Scheduler:
    """The state of one replica. ``step`` counts decode steps; ``running`` includes ended requests not yet released."""

    def __init__(self, server: Server, prefix_hit: float) -> None:
        """Start empty."""
        self.server = server
        self.kv = KvBlocks(server, server.num_blocks)
        self.drafted = 1 + server.draft_tokens
        self.slots = max(1, min(server.max_num_seqs, server.max_num_batched_tokens // self.drafted))
        self.apart = server.old_scheduler and not server.chunked_prefill
        self.step = self.running = self.decodes = self.preemptions = 0
        self.contexts = 0.0  # of decoding requests in sum, less what the decode steps so far account for
        self.waiting: deque[Request] = deque()
        self.partial: list[Request] = []  # running, not yet decoding
        self.evicted: list[Request] = []  # by the last call of schedule()
        self._prefix_hit = prefix_hit if server.prefix_caching else 0.0
        self._spare = int(server.watermark * server.num_blocks)
        self._admitted: list[tuple[int, Request]] = []  # a stack; an entry whose rank is out of date is gone
        self._ranks = 0
        self._ending: dict[int, list[Request]] = {}  # by decode step
        self._stops: list[int] = []  # a heap of these steps

    def prepare(self, requests: Sequence[Request], together: int) -> None:
        """See whether the cache is ample: whether as many as may run ``together`` fit at their longest.

        Raises:
            Refused: where a request can never run.

        """
        kv, server = self.kv, self.server
        peaks = []
        for request in requests:
            peak = kv.after(request.prompt, kv.steps(request.output - 1))
            if peak > kv.total:
                raise Refused("kv_cache", TOO_LARGE.format(request.prompt + request.output, peak, kv.total))
            peaks.append(peak)
        longest = max((request.prompt for request in requests), default=0)
        if not server.chunked_prefill and longest > server.max_num_batched_tokens:
            raise Refused("length", OVER_BUDGET.format(longest, server.max_num_batched_tokens))
        peaks.sort(reverse=True)
        kv.ample = sum(peaks[: min(self.slots, together)]) + self._spare <= kv.total

    def schedule(self) -> list[tuple[Request, int]]:
        """Who computes how many prompt tokens in the next step; decodes take part unless V0 keeps them apart."""
        self.evicted.clear()
        chunks: list[tuple[Request, int]] = []
        budget = self.server.max_num_batched_tokens
        if self.apart:
            self._admit(chunks, budget)
            if not chunks and not self.kv.ample:
                self._make_room()
            return chunks
        if not self.kv.ample:
            self._make_room()
        budget -= self.decodes * self.drafted
        if self.partial:
            budget = self._continue(chunks, budget)
        if self.waiting and not self.evicted:
            self._admit(chunks, budget)
        return chunks

    def context(self) -> float:
        """Tokens that decoding requests hold on average in the next step."""
        return self.contexts / self.decodes + self.kv.progress * self.step if self.decodes else 0.0

    def quiet_steps(self) -> int:
        """Decode steps until a request ends or finds no block. After a preemption others may be admitted at once."""
        steps = self._stops[0] - self.step if not self.evicted else 1
        return steps if self.kv.ample else max(1, self.kv.steps_that_fit(self.step, steps))

    def decode(self, steps: int) -> list[Request]:
        """Run decode steps, and say who has given its last token."""
        if not self.kv.ample:
            self.kv.advance(self.step, steps)
        self.step += steps
        if not self._stops or self._stops[0] != self.step:
            return []
        heappop(self._stops)
        ended = []
        for request in self._ending.pop(self.step):
            if request.start >= 0 and request.start + request.steps == self.step:  # not put out since
                self._stop_decoding(request)
                request.held = self.kv.after(request.base, request.steps)
                request.left = 0
                ended.append(request)
        return ended

    def prefill(self, chunks: list[tuple[Request, int]]) -> list[Request]:
        """Compute prompt tokens, and say who has given a first token thereby (again, after a preemption)."""
        answered = []
        for request, tokens in chunks:
            request.computed += tokens
            if request.computed == request.base:
                self.partial.remove(request)
                request.left -= 1
                answered.append(request)
        return answered

    def start_decoding(self, request: Request) -> None:
        """Let a request whose prompt is complete take part in every decode step from now on."""
        kv, step = self.kv, self.step
        request.start = step
        request.steps = steps = kv.steps(request.left)
        self.decodes += 1
        self.contexts += request.base + 1 - kv.progress * step
        stop = step + steps
        if stop in self._ending:
            self._ending[stop].append(request)
        else:
            self._ending[stop] = [request]
            heappush(self._stops, stop)
        if not kv.ample:
            kv.plan(request.base, step, steps)

    def release(self, request: Request) -> None:
        """Free the slot and the blocks of a request that has ended."""
        self.running -= 1
        request.rank = 0
        if not self.kv.ample:
            self.kv.free(request.held)

    def used_blocks(self, others: Iterable[Request]) -> int:
        """KV blocks in use; ``others`` are requests whose prompt or last token the step has just completed.

        With an ample cache it follows from the mean context, to half a block a request.
        """
        kv = self.kv
        if not kv.ample:
            return kv.used
        used = self.decodes * kv.holding(int(self.context()))
        for request in self.partial:
            used += request.held
        for request in others:
            used += request.held
        return used

    def _free(self) -> int:
        """Blocks left once the decodes of the next step have theirs."""
        return self.kv.total - self.kv.used - self._growth()

    def _growth(self) -> int:
        """Blocks that decodes of the next step take before anybody is admitted."""
        return 0 if self.apart else self.kv.growth(self.step)

    def _make_room(self, blocks: int = 0, asking: Request | None = None) -> bool:
        """Preempt until the decodes of the next step and ``blocks`` more fit, or the asking request is gone itself."""
        kv = self.kv
        while kv.used + kv.growth(self.step) + blocks > kv.total:
            rank, request = self._admitted.pop()
            if request.rank == rank and request.left:
                self._preempt(request)
                if request is asking:
                    return False
        return True

    def _preempt(self, request: Request) -> None:
        """Put a request back to the head of the queue; its tokens so far become its prompt."""
        kv = self.kv
        held = request.held
        if request.start >= 0:
            done = self.step - request.start
            held = kv.after(request.base, done)
            kv.strike(request.base, request.start, request.steps, self.step)
            self._stop_decoding(request)
            given = min(request.left - 1, int(kv.progress * done))
            request.base += 1 + given
            request.left -= given
            request.computed = request.base - 1
        else:
            self.partial.remove(request)
        request.outlived = (kv.taken + kv.total - kv.used, held, request.computed)
        kv.free(held)
        request.rank = request.computed = request.held = 0
        self.running -= 1
        self.preemptions += 1
        self.waiting.appendleft(request)
        self.evicted.append(request)

    def _stop_decoding(self, request: Request) -> None:
        self.decodes -= 1
        self.contexts -= request.base + 1 - self.kv.progress * request.start
        request.start = -1

    def _continue(self, chunks: list[tuple[Request, int]], budget: int) -> int:
        """Go on with prompts that are partly computed; what is left of the budget."""
        for request in list(self.partial):
            if budget <= 0:
                break
            if not request.rank:
                continue  # put out for the one before it
            tokens = min(self._capped(request.base - request.computed), budget)
            blocks = self.kv.holding(request.computed + tokens)
            if not self.kv.ample:
                if not self._make_room(blocks - request.held, request):
                    break
                self.kv.take(blocks - request.held)
            request.held = blocks
            chunks.append((request, tokens))
            budget -= tokens
        return budget

    def _admit(self, chunks: list[tuple[Request, int]], budget: int) -> None:
        """Admit waiting requests while slots, budget and blocks last."""
        waiting, server = self.waiting, self.server
        while waiting and budget > 0 and self.running < self.slots:
            request = waiting[0]
            found = self._cached(request) if self._prefix_hit or request.outlived is not None else 0
            tokens = self._capped(request.base - found)
            if tokens > budget:
                if not server.chunked_prefill and (self.running or chunks):
                    break
                tokens = budget if server.chunked_prefill else tokens
            if not self._allocate(request, found + tokens):
                break
            waiting.popleft()
            self._ranks += 1
            request.rank = self._ranks
            request.computed = found
            self._admitted.append((self._ranks, request))
            self.running += 1
            self.partial.append(request)
            chunks.append((request, tokens))
            budget -= tokens

    def _allocate(self, request: Request, tokens: int) -> bool:
        """Give an admitted request its first blocks, if they are free."""
        wanted = self.kv.holding(tokens)
        if self.kv.ample:
            request.held = wanted
            return True
        checked = self.kv.holding(request.base) if self.server.reserve_full_prompt or self.apart else wanted
        if checked > self._free() - (self._spare if self.running else 0):
            return False
        request.held = wanted
        self.kv.take(wanted)
        return True

    def _capped(self, tokens: int) -> int:
        """A chunk under ``long_prefill_threshold``, which does not hold for a request that is alone."""
        threshold = self.server.long_prefill_threshold if self.server.chunked_prefill else 0
        return min(tokens, threshold) if threshold and self.running + len(self.waiting) > 1 else tokens

    def _cached(self, request: Request) -> int:
        """Tokens in the prefix cache: whole blocks, and never the last token.

        A preempted request's blocks go behind all that were free then, and are taken from its end on (vLLM 0.19.0
        v1/core/single_type_kv_cache_manager.py::free, block_pool.py::free_blocks).
        """
        tokens = int(request.base * self._prefix_hit)
        if request.outlived is not None and self.server.prefix_caching:
            until, blocks, computed = request.outlived
            kept = blocks - max(0, self.kv.taken + self._growth() - until)
            tokens = max(tokens, computed * kept // blocks) if kept > 0 else tokens
        size = self.server.block_size
        return min(tokens, request.base - 1) // size * size
