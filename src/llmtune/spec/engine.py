"""An engine release: its options and how it behaves. Data in ``catalog/data``; calculations only read switches."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING

from llmtune.spec.record import dataclass

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Option:
    """One ``vllm serve`` option of one release.

    ``type`` is bool, int, float, str, json or pairs (``image=4``), of one item where ``nargs`` makes it a list.
    ``negatable`` options have a ``--no-`` form, ``flag_only`` ones take no value; ``human`` ones take "32k", ``json``
    ones JSON or dotted sub-keys, ``auto`` ones the word; ``inverse`` is a second name of the opposite; ``append`` ones
    may be repeated. ``keys`` are those of a JSON option that refuses others, with the types of their values
    (``catalog/json_fields.py``).
    """

    flag: str
    type: str
    choices: tuple[str, ...] = ()
    default: object = None
    negatable: bool = False
    flag_only: bool = False
    human: bool = False
    json: bool = False
    optional: bool = False
    nargs: str | None = None
    aliases: tuple[str, ...] = ()
    deprecated: bool = False
    inverse: str | None = None
    append: bool = False
    auto: bool = False
    keys: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class EngineVersion:
    """A vLLM release. ``behaviour`` holds the switches of ``catalog/data/behaviour.json`` in force at this release."""

    release: str
    options: Mapping[str, Option]
    behaviour: Mapping[str, object]
    refused: Mapping[str, str] = field(default_factory=dict)  # architecture it does not have -> a release that has it
    requested: str = ""  # what the user asked for, when it is not in the table
    note: str | None = None  # said when a nearby release stands in
