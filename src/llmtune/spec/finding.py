"""What a rule says about a deployment, and the edit that mends it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.spec.record import dataclass

if TYPE_CHECKING:
    from llmtune.spec.span import Span
    from llmtune.spec.word import Word

SEVERITIES = ("error", "warning", "info")
CONFIDENCES = ("certain", "likely", "possible")


@dataclass(frozen=True, slots=True)
class Edit:
    """Replace what stands at ``span`` by ``text``; an empty span inserts."""

    span: Span
    text: str


@dataclass(frozen=True, slots=True)
class Fix:
    """What to change. A ``safe`` fix does not change what the server does, or does what was clearly meant."""

    title: str
    edits: tuple[Edit, ...]
    safe: bool


@dataclass(frozen=True, slots=True)
class Notice:
    """A mistake that reading a file finds, under the name of the rule that explains it (``unknown-flag``).

    ``flag`` is the flag that it is about, as written, and ``words`` are that flag with what follows it.
    """

    name: str
    message: str
    span: Span | None = None
    fix: Fix | None = None
    flag: str = ""
    words: tuple[Word, ...] = ()

    def __str__(self) -> str:
        """The line with its place in front."""
        return f"{place(self.span)}{self.message}"


@dataclass(frozen=True, slots=True)
class Finding:
    """One answer of one rule. ``server`` names which server of the file it is about, ``help`` says how to mend it.

    ``message`` is one line that starts with what is wrong; ``note`` is said under the marked place and gives the
    numbers ("needs 18.0 GiB of KV cache; 3.9 GiB is left").
    """

    message: str
    span: Span
    note: str = ""
    help: str = ""
    fix: Fix | None = None
    rule: str = ""
    severity: str = ""
    confidence: str = ""
    server: str = ""


def place(span: Span | None) -> str:
    """A span as the front of a message: ``vllm.yaml:3:1: ``."""
    return f"{span.file}:{span.line}:{span.column}: " if span else ""
