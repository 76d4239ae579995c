"""The one error of the command line itself."""

from __future__ import annotations


class UserError(ValueError):
    """What the user asked for does not work; the message is one line that says what and what to do."""

    def __init__(self, message: str, *, exit_code: int = 2) -> None:
        super().__init__(message)
        self.exit_code = exit_code
