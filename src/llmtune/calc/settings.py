"""Typed access to what a deployment sets, so that no calculation parses values.

Readers have already turned texts into numbers and JSON into mappings; a value of another type than asked for counts
as not set here, because the rule that checks option types reports it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from llmtune.spec.deployment import Deployment, Value


class Settings:
    """The settings of one deployment by flag, the last one given first (as argparse takes them)."""

    def __init__(self, deployment: Deployment) -> None:
        """Take the settings and the environment of a deployment."""
        self._values: dict[str, Value] = {setting.flag: setting.value for setting in deployment.settings}
        self.environment: Mapping[str, str] = deployment.environment

    def has(self, *flags: str) -> bool:
        """Whether one of the flags is set to something."""
        return self.raw(*flags) is not None

    def raw(self, *flags: str) -> Value:
        """The value of the first of several names of an option."""
        for flag in flags:
            value = self._values.get(flag)
            if value is not None:
                return value
        return None

    def integer(self, *flags: str) -> int | None:
        """A whole number."""
        value = self.raw(*flags)
        return value if isinstance(value, int) and not isinstance(value, bool) else None

    def number(self, *flags: str) -> float | None:
        """A number."""
        value = self.raw(*flags)
        return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None

    def text(self, *flags: str) -> str | None:
        """A text."""
        value = self.raw(*flags)
        return value if isinstance(value, str) else None

    def flag(self, *flags: str) -> bool | None:
        """A switch, None when it is not set."""
        value = self.raw(*flags)
        return value if isinstance(value, bool) else None

    def mapping(self, *flags: str) -> Mapping[str, Value]:
        """A JSON object, empty when it is not set."""
        value = self.raw(*flags)
        return value if isinstance(value, dict) else {}

    def sizes(self, *flags: str) -> tuple[int, ...]:
        """A list of whole numbers, or one of them."""
        return whole_numbers(self.raw(*flags))

    def variable(self, name: str) -> bool | None:
        """An environment variable that is 0 or 1, None when it is not set."""
        text = self.environment.get(name, "").strip().lower()
        if text in {"0", "false"}:
            return False
        return True if text in {"1", "true"} else None


def whole_numbers(value: Value) -> tuple[int, ...]:
    """The whole numbers of a list, or the one number.

    >>> whole_numbers([1, 2, "x"]), whole_numbers(8), whole_numbers(None)
    ((1, 2), (8,), ())
    """
    items = value if isinstance(value, list) else [value]
    return tuple(item for item in items if isinstance(item, int) and not isinstance(item, bool))
