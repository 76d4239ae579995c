"""A lint rule: its name, what it needs to know, its text, and the function that checks a case."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from llmtune.spec.record import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from llmtune.spec.finding import Finding


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. ``text`` is what ``llmtune explain``, its page in the docs and SARIF show; ``check`` takes a case.

    ``since`` and ``until`` are the first and the last release in which it applies; ``needs`` are facts without which
    it is not checked.
    """

    name: str
    severity: str
    confidence: str
    needs: tuple[str, ...]
    since: str | None
    until: str | None
    text: str
    check: Callable[[Any], Iterable[Finding]]

    @property
    def title(self) -> str:
        """The first line of its text."""
        return self.text.splitlines()[0]

    @property
    def page(self) -> str:
        """Where its text stands in the documentation."""
        return f"docs/reference/rules.md#{self.name}"

    @property
    def markdown(self) -> str:
        """Its text with the two examples as blocks of their own."""
        dedented = re.sub(r"^    (?=.*$)", "", self.text, flags=re.MULTILINE)
        return re.sub(r"^(Example|Use instead):$", r"**\1**\n", dedented, flags=re.MULTILINE)
