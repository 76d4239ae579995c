"""Typed access to a config.json, so that every family reader fails with the same one-line message."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

LARGEST = 10**9  # no size in a config.json is larger than this; what is, is a typo or an attack
MOST_LAYERS = 2_000


class ConfigError(ValueError):
    """A config.json that cannot be understood; the message is one line."""


class Config:
    """A config.json (or a part of it) that is read key by key.

    ``path`` names the part in messages (``text_config``). Keys whose value is null count as absent.
    """

    def __init__(self, data: Mapping[str, Any], path: str = "") -> None:
        self.data = data
        self.path = path

    def has(self, key: str) -> bool:
        """Whether the key stands there with a value."""
        return self.data.get(key) is not None

    def size(self, *keys: str, default: int | None = None) -> int:
        """The first of several spellings of a size, at least 0.

        Raises:
            ConfigError: when it is missing without a default, or is no sensible whole number.

        """
        for key in keys:
            value = self.data.get(key)
            if value is not None:
                return self._checked(key, value)
        if default is None:
            raise ConfigError(f"{self._name(keys[0])} is missing; it is needed to compute memory")
        return default

    def flag(self, key: str, *, default: bool = False) -> bool:
        """A boolean."""
        value = self.data.get(key)
        if value is None:
            return default
        if not isinstance(value, bool):
            raise ConfigError(f"{self._name(key)} must be true or false, not {_short(value)}")
        return value

    def text(self, key: str, default: str = "") -> str:
        """A string."""
        value = self.data.get(key)
        if value is None:
            return default
        if not isinstance(value, str):
            raise ConfigError(f"{self._name(key)} must be a text, not {_short(value)}")
        return value

    def number(self, key: str, default: float) -> float:
        """A number that may have decimals."""
        value = self.data.get(key)
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise ConfigError(f"{self._name(key)} must be a number, not {_short(value)}")
        return float(value)

    def items(self, key: str) -> list[Any]:
        """A list, empty when it is absent."""
        value = self.data.get(key)
        if value is None:
            return []
        if not isinstance(value, list):
            raise ConfigError(f"{self._name(key)} must be a list, not {_short(value)}")
        if len(value) > MOST_LAYERS * 10:
            raise ConfigError(f"{self._name(key)} has {len(value)} entries; that is no model")
        return value

    def part(self, key: str) -> Config:
        """A nested object, empty when it is absent."""
        value = self.data.get(key)
        if value is None:
            return Config({}, key)
        if not isinstance(value, dict):
            raise ConfigError(f"{self._name(key)} must be an object, not {_short(value)}")
        return Config(value, key)

    def layers(self, *keys: str) -> int:
        """The number of layers, bounded so that no config makes us allocate without end."""
        count = self.size(*(keys or ("num_hidden_layers", "n_layer", "num_layers")))
        if not 1 <= count <= MOST_LAYERS:
            raise ConfigError(f"{self._name(keys[0] if keys else 'num_hidden_layers')} must lie in 1..{MOST_LAYERS}")
        return count

    def _checked(self, key: str, value: object) -> int:
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int):
            raise ConfigError(f"{self._name(key)} must be a whole number, not {_short(value)}")
        if not 0 <= value <= LARGEST:
            raise ConfigError(f"{self._name(key)} must lie in 0..{LARGEST}, not {value}")
        return value

    def _name(self, key: str) -> str:
        return f"config.json: '{self.path}.{key}'" if self.path else f"config.json: '{key}'"


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."  # noqa: PLR2004 - a message stays on one line
