"""What exists in which release of the engine, and what to do about what is gone."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING

from llmtune.spec.record import dataclass

if TYPE_CHECKING:
    from collections.abc import Mapping

    from llmtune.spec.engine import Option


@dataclass(frozen=True, slots=True)
class Lifetime:
    """From which to which release a variable or a parser exists.

    ``first`` is the first release with it; of the oldest release known it may be earlier. ``last`` is the last one and
    ``gone`` the first without it; both are None when the newest release known has it.
    """

    first: str
    last: str | None = None
    gone: str | None = None


@dataclass(frozen=True, slots=True)
class FlagHistory:
    """The lifetime of a name of an option; ``of`` is the option where the name is only an alias (``-tp``)."""

    first: str
    last: str | None = None
    gone: str | None = None
    of: str | None = None


@dataclass(frozen=True, slots=True)
class MethodHistory:
    """The lifetime of a quantisation method or a load format.

    ``min_capability`` is the compute capability (75 for 7.5) that the newest release with the method asks for;
    ``deprecated`` the first release that asks for ``--allow-deprecated-quantization``; ``advice`` what to do instead
    once it is gone.
    """

    first: str
    last: str | None = None
    gone: str | None = None
    min_capability: int | None = None
    deprecated: str | None = None
    advice: str | None = None


@dataclass(frozen=True, slots=True)
class Replacement:
    """What to do about an option that is gone or going, or was deprecated before it went.

    ``rename`` is the option that takes the same values with the same meaning. ``values`` gives for some values the
    option and the value that mean the same. ``delete``: deleting it is right and changes nothing else. ``removed_in``
    is the release in which the engine plans to drop an option it still has.
    """

    advice: str
    rename: str | None = None
    delete: bool = False
    removed_in: str | None = None
    values: Mapping[str, tuple[str, str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ParserFamily:
    """Which parsers fit a family of models; the first is the best, none means that nothing is known to fit.

    ``models`` is the pattern that its names have. ``thinks``: without a reasoning parser its answers hold a block of
    thoughts, unless the request turns them off.
    """

    models: str
    tool: tuple[str, ...]
    reasoning: tuple[str, ...]
    thinks: bool
    source: str


@dataclass(frozen=True, slots=True)
class ChangedDefault:
    """An option whose declared default differs between two releases; ``before`` and ``after`` are None for no value."""

    flag: str
    before: object
    after: object
    option: Option
