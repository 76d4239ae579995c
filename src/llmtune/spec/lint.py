"""What linting files gave."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING

from llmtune.spec.record import dataclass

if TYPE_CHECKING:
    from collections.abc import Mapping

    from llmtune.spec.finding import Finding


@dataclass(frozen=True, slots=True)
class CheckedServer:
    """One server that was looked at.

    ``release_from``: image, file, option, newest. ``unchecked``: rules that lacked a fact.
    """

    name: str
    release: str
    release_from: str
    unchecked: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CheckedFile:
    """One file that was looked at. ``lines`` are those that findings stand on. ``broken``: it could not be read."""

    path: str
    kind: str
    servers: tuple[CheckedServer, ...] = ()
    findings: tuple[Finding, ...] = ()
    suppressed: int = 0
    lines: Mapping[int, str] = field(default_factory=dict)
    broken: bool = False


@dataclass(frozen=True, slots=True)
class SkippedFile:
    """A file that was not looked at, and why."""

    path: str
    why: str


@dataclass(frozen=True, slots=True)
class LintResult:
    """Everything that one run of ``llmtune lint`` found."""

    checked: tuple[CheckedFile, ...]
    skipped: tuple[SkippedFile, ...]

    @property
    def findings(self) -> tuple[Finding, ...]:
        """All findings, file by file."""
        return tuple(finding for file in self.checked for finding in file.findings)
