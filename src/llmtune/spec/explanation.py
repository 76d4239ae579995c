"""What can be told about a setting or a sampling parameter."""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.spec.record import dataclass

if TYPE_CHECKING:
    from llmtune.spec.engine import Option


@dataclass(frozen=True, slots=True)
class Change:
    """What a release changed about a setting.

    ``what`` is default, type, choices, deprecated or negation. A default may be words, as in explanations. For choices
    ``before`` holds the values that went and ``after`` those that came; None on a side where none are known.
    """

    release: str
    what: str
    before: object
    after: object


@dataclass(frozen=True, slots=True)
class History:
    """Since when a setting exists, until when, and what changed in between.

    ``from_the_start`` says that ``since`` is the oldest release known, so that it may be older. ``removed`` is the
    first release without it.
    """

    since: str
    from_the_start: bool
    removed: str | None
    changes: tuple[Change, ...]


@dataclass(frozen=True, slots=True)
class SettingExplanation:
    """A setting of ``vllm serve``, as seen from one release.

    ``option`` is how ``table`` has it: the release asked for, or the nearest one that has the setting. ``takes`` is its
    type in words; ``default`` what holds when it is not set: the declared value, or in words what the release's code
    decides. ``choices`` are those of the parser, or what the code accepts where that is known. ``status`` is present,
    not yet or removed. ``asked`` is how it was asked for where that is not its
    name (an alias, the opposite, a key of its JSON), and ``accepted_as`` the setting whose opposite a removed name now
    is. ``related`` holds names, settings with their dashes, and the first sentence of each.
    """

    flag: str
    release: str
    table: str
    status: str
    option: Option
    takes: str
    default: object
    choices: tuple[str, ...]
    history: History
    what: str
    source: str
    more: str | None = None
    less: str | None = None
    advice: str | None = None
    instead: str | None = None
    asked: str | None = None
    accepted_as: str | None = None
    note: str | None = None
    related: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Step:
    """A step of the sampler, and which parameters act in it."""

    text: str
    parameters: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Use:
    """The value that a scenario gives a sampling parameter, and why."""

    scenario: str
    value: float
    reason: str


@dataclass(frozen=True, slots=True)
class SamplingExplanation:
    """A sampling parameter of a request.

    ``server`` is its key in generation_config.json and --override-generation-config; None where a server cannot set
    it. ``setting`` is the server setting of the same name, which is something else. ``order`` are all steps of the
    sampler. ``related`` is as for settings.
    """

    name: str
    release: str
    what: str
    default: object
    source: str
    formula: str | None = None
    range: str | None = None
    server: str | None = None
    more: str | None = None
    less: str | None = None
    advice: str | None = None
    setting: str | None = None
    asked: str | None = None
    interplay: tuple[str, ...] = ()
    uses: tuple[Use, ...] = ()
    order: tuple[Step, ...] = ()
    order_note: str = ""
    related: tuple[tuple[str, str], ...] = ()
