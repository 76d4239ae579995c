"""The time of a replay: when requests come, how long steps take, when tokens are out.

Between two events (a request comes, ends, or finds no KV block) the batch stays the same, and ``simulation_clock``
says what n steps of it take; so a run costs as much as it has events, not steps.

With asynchronous scheduling a step is scheduled when the one before it starts: what happens during that one, a
request that comes or ends, counts for the step after (vLLM 0.19.0 v1/engine/core.py::step_with_batch_queue).
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from llmtune.calc.simulation_clock import Clock
from llmtune.calc.simulation_request import Request
from llmtune.calc.simulation_scheduler import Scheduler
from llmtune.calc.simulation_tally import Steps, Tally
from llmtune.calc.step_time import Batch, step_seconds

if TYPE_CHECKING:
    from collections.abc import Sequence

    from llmtune.calc.simulation_clock import Course
    from llmtune.calc.simulation_server import Server


class Replay:
    """One replica and its requests. :meth:`run` leaves the times in the requests and the rest in ``tally``."""

    def __init__(self, server: Server, lengths: Sequence[tuple[int, int]], prefix_hit: float) -> None:
        """Make the requests, all unsent."""
        self.server = server
        self.requests = [Request(prompt, output) for prompt, output in lengths]
        self.scheduler = Scheduler(server, prefix_hit)
        self.clock = Clock(server.costs)
        self.tally = Tally()
        self.now = self.started = 0.0  # the end of the last step, and its start
        self._unsent: deque[Request] = deque()  # closed loop: each waits for another one to end
        self._coming: deque[tuple[float, Request]] = deque()  # and when the scheduler sees them
        self._leaving: deque[tuple[float, Request]] = deque()  # ended, and when
        self._ended = 0
        self._stalled: list[tuple[float, int]] = []  # V0: decoding requests by the time of their last token

    def run(self, arrivals: Sequence[float]) -> None:
        """Serve every request; those beyond the arrivals are sent when another one ends.

        Raises:
            Refused: where a request can never run.

        """
        for request, time in zip(self.requests, arrivals, strict=False):
            self._send(request, time)
        self._unsent.extend(self.requests[len(arrivals) :])
        scheduler = self.scheduler
        scheduler.prepare(self.requests, len(arrivals))
        while self._ended < len(self.requests):
            self._see(self.started if self.server.async_scheduling else self.now)
            chunks = scheduler.schedule()
            for request in scheduler.evicted:
                if request.last < 0:  # not put out again before it gave a token
                    request.last = self._last_token()
            if chunks:
                self._mix(chunks)
            elif scheduler.decodes:
                self._jump()
            else:
                self._wait()

    def _last_token(self) -> float:
        """When the request admitted last, which is being put out, had its last token."""
        if not self._stalled:
            return self.now
        time, count = self._stalled.pop()
        if count > 1:
            self._stalled.append((time, count - 1))
        return time

    def _send(self, request: Request, time: float) -> None:
        request.sent = time
        server = self.server
        seen = time + server.front_end + server.front_end_token * request.prompt
        self._coming.append((max(seen, self._coming[-1][0]) if self._coming else seen, request))  # in order

    def _see(self, time: float) -> None:
        """Let the scheduler know what happened up to a time."""
        leaving, coming, scheduler = self._leaving, self._coming, self.scheduler
        while leaving and leaving[0][0] <= time:
            scheduler.release(leaving.popleft()[1])
        while coming and coming[0][0] <= time:
            scheduler.waiting.append(coming.popleft()[1])

    def _wait(self) -> None:
        """Nothing can run: look again when the last step is over, then when the next request comes."""
        if self.started < self.now:
            self.started = self.now
            return
        time = self._coming[0][0]
        self.tally.idle += time - self.now
        self.now = self.started = time

    def _mix(self, chunks: list[tuple[Request, int]]) -> None:
        """Run one step with prompt tokens."""
        scheduler = self.scheduler
        decodes = 0 if scheduler.apart else scheduler.decodes
        tokens = pairs = read = 0
        for request, count in chunks:
            tokens += count
            read += request.computed
            pairs += count * request.computed + count * (count + 1) // 2
        batch = Batch(decodes, scheduler.context() if decodes else 0.0, tokens, len(chunks), pairs, read)
        seconds = step_seconds(self.server.costs, batch)
        self._note(Steps(self.now, 1, decodes, batch.context, tokens, len(chunks), pairs, read, *[seconds] * 3))
        if scheduler.apart and scheduler.decodes and not self._stalled:
            self._stalled.append((self.now, scheduler.decodes))
        self._pass(0.0, seconds)
        answered = scheduler.prefill(chunks)
        ended = scheduler.decode(1) if decodes else []
        self._observe([*ended, *answered])
        self._end(ended)
        self._answer(answered)

    def _jump(self) -> None:
        """Run decode steps until something changes."""
        scheduler = self.scheduler
        context = scheduler.context()
        line = self.clock.line(scheduler.decodes, context)
        progress = scheduler.kv.progress
        course = line.course(context, progress)
        steps = 1 if self._stalled else min(scheduler.quiet_steps(), line.steps_within(context, progress))
        steps = self._until_seen(course, steps)
        seconds, last = course.seconds(steps), course.step(steps - 1)
        middle = context + progress * (steps - 1) / 2
        if self._stalled:
            self.tally.stalls.add(len(self.tally.steps))
            self.tally.long_gaps += [(self.now + seconds - since, count) for since, count in self._stalled]
            self._stalled.clear()
        self._note(
            Steps(self.now, steps, scheduler.decodes, middle, 0, 0, 0.0, 0.0, course.first, last, seconds),
        )
        self._pass(course.seconds(steps - 1), seconds)
        ended = scheduler.decode(steps)
        self._observe(ended)
        self._end(ended)

    def _until_seen(self, course: Course, steps: int) -> int:
        """No more steps than until the scheduler sees a request that came or ended, where that matters."""
        scheduler = self.scheduler
        times = []
        if self._leaving:
            times.append(self._leaving[0][0])
        if self._coming and not scheduler.waiting:
            times.append(self._coming[0][0])
        if not times:
            return steps
        wait = course.steps_until(min(times) - self.now, steps)
        return max(1, min(steps, wait + 1 if self.server.async_scheduling else wait))

    def _note(self, steps: Steps) -> None:
        self.tally.steps.append(steps)
        self.tally.request_seconds += (self.scheduler.running - len(self._leaving)) * steps.seconds

    def _pass(self, before: float, seconds: float) -> None:
        """Let time pass, of it so much before the last step."""
        self.started = self.now + before
        self.now += seconds

    def _end(self, ended: Sequence[Request]) -> None:
        """Requests have given their last token; their clients send the next ones."""
        for request in ended:
            request.end = self.now
            self._leaving.append((self.now, request))
            if self._unsent:
                self._send(self._unsent.popleft(), self.now)
        self._ended += len(ended)

    def _answer(self, answered: Sequence[Request]) -> None:
        """Prompts are complete: the first token is out, and decoding begins."""
        started = 0
        for request in answered:
            if request.first < 0:
                request.first = self.now
            else:
                self.tally.long_gaps.append((self.now - request.last, 1))
            request.last = -1.0
            if request.left:
                self.scheduler.start_decoding(request)
                started += 1
            else:
                self._end([request])
        if self.scheduler.apart and started:
            self._stalled.append((self.now, started))

    def _observe(self, others: Sequence[Request]) -> None:
        """Note how full the cache is."""
        self.tally.kv_used = max(self.tally.kv_used, self.scheduler.used_blocks(others))
