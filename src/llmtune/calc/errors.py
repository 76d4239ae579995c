"""What a calculation raises when the engine would not start."""

from __future__ import annotations


class Refused(ValueError):  # noqa: N818 - it is the engine that refuses
    """The engine refuses this deployment.

    ``kind`` groups refusals ("invalid": a size that cannot be split, "kernel": no kernel for this shape or GPU);
    ``engine_message`` is what the engine says.
    """

    def __init__(self, kind: str, engine_message: str) -> None:
        """Keep what the engine says as the text."""
        super().__init__(engine_message)
        self.kind = kind
        self.engine_message = engine_message
