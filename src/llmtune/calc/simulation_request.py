"""A request of a simulation, from its sending to its last token."""

from __future__ import annotations


class Request:
    """One request: ``base`` tokens are to be computed before it decodes, ``left`` output tokens are to come.

    ``rank`` counts admissions, 0 while it is not running. It decodes ``steps`` steps from ``start`` on (-1: it does not
    decode). Times are in seconds; ``last`` is when a preempted request had given its last token. ``outlived`` says what
    is left of it in the prefix cache: once so many blocks have been taken (first), each further one is one of its own
    (second), which held so many tokens (third).
    """

    __slots__ = (
        "base", "computed", "end", "first", "held", "last", "left", "outlived", "output", "prompt", "rank", "sent",
        "start", "steps",
    )  # fmt: skip

    def __init__(self, prompt: int, output: int) -> None:
        """Not sent yet."""
        self.prompt = self.base = prompt
        self.output = self.left = output
        self.computed = self.held = self.rank = self.steps = 0
        self.start = -1
        self.outlived: tuple[int, int, int] | None = None
        self.sent = self.first = self.end = self.last = -1.0
