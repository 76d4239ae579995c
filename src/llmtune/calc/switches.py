"""Typed reading of an engine release's behaviour switches (``catalog/data/behaviour``)."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from llmtune.spec.engine import EngineVersion


def on(engine: EngineVersion, switch: str) -> bool:
    """A switch that is on or off."""
    return bool(engine.behaviour[switch])


def size(engine: EngineVersion, switch: str) -> int:
    """A switch that holds a whole number; null counts as 0."""
    return int(cast("int", engine.behaviour[switch] or 0))


def ratio(engine: EngineVersion, switch: str) -> float:
    """A switch that holds a number."""
    return float(cast("float", engine.behaviour[switch]))


def word(engine: EngineVersion, switch: str) -> str:
    """A switch that holds a word."""
    return str(engine.behaviour[switch])


def words(engine: EngineVersion, switch: str) -> Sequence[str]:
    """A switch that holds a list of words."""
    return cast("Sequence[str]", engine.behaviour[switch])


def table(engine: EngineVersion, switch: str) -> Mapping[str, int]:
    """A switch that maps words to whole numbers."""
    return cast("Mapping[str, int]", engine.behaviour[switch])


def classes(engine: EngineVersion, switch: str) -> Sequence[Mapping[str, object]]:
    """A switch that holds a list of cases, the first that applies counting."""
    return cast("Sequence[Mapping[str, object]]", engine.behaviour[switch])
