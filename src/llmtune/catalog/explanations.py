"""What settings and sampling parameters mean: our texts, beside what the option tables say of every release.

``data/explain/settings.json`` has one entry for each option that any known release has, ``sampling.json`` one for each
sampling parameter. Since when an option exists and what changed about it is computed from all option tables.
"""

from __future__ import annotations

import json
import re
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llmtune.catalog import engines, scenarios
from llmtune.spec.explanation import Change, History, SamplingExplanation, SettingExplanation, Step, Use

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from llmtune.spec.engine import Option

DATA = Path(__file__).parent / "data" / "explain"
LEVEL = re.compile(r"-{0,2}O[0-3]?")  # -O2: the short form of --optimization-level, which no table lists
EMPTY: tuple[object, ...] = (None, "", [], {})
BY_GPU = {"max-num-batched-tokens": "tokens", "max-num-seqs": "seqs"}  # part of default.batch_classes
SWITCHED = {  # options without a declared default -> the switch that says what the code decides
    "async-scheduling": "default.async_scheduling",
    "enable-chunked-prefill": "default.chunked_prefill",
    "enable-prefix-caching": "default.prefix_caching",
}
ACCEPTED = {"quantization": "quantization.methods"}  # options whose choices are checked later than by the parser


@lru_cache(maxsize=1)
def _tables() -> dict[str, Mapping[str, Option]]:
    """The option tables of all releases, oldest first; one more than ``engines.find`` keeps."""
    return {release: engines.find(release).options for release in engines.names()}


@lru_cache(maxsize=2)
def texts(kind: str) -> dict[str, Any]:
    """The texts: ``settings`` by flag, ``sampling`` with the sampler's order and the parameters by name."""
    read: dict[str, Any] = json.loads((DATA / f"{kind}.json").read_text(encoding="utf-8"))
    return read


def names() -> dict[str, str]:
    """Every name that can be explained, in the spelling of a flag, with the name as it is written."""
    known = {flag: flag for flag in texts("settings")}
    return known | {_plain(name): name for name in texts("sampling")["parameters"]}


def sampling(word: str) -> SamplingExplanation | None:
    """The sampling parameter that a word names, ``top_p`` or ``top-p``; a word with a dash in front names a setting."""
    parameters = texts("sampling")["parameters"]
    spelled = {_plain(alias): name for name, entry in parameters.items() for alias in (name, *entry.get("aliases", ()))}
    name = None if word.startswith("-") else spelled.get(_plain(word))
    if name is None:
        return None
    entry = parameters[name]
    return SamplingExplanation(
        name=name,
        release=texts("sampling")["release"],
        asked=word if _plain(word) != _plain(name) else None,
        setting=_plain(name) if _plain(name) in texts("settings") else None,
        interplay=tuple(entry.get("interplay", ())),
        uses=tuple(_uses(name)),
        order=tuple(Step(step["step"], tuple(step.get("parameters", ()))) for step in texts("sampling")["order"]),
        order_note=texts("sampling")["order_note"],
        related=_related(entry),
        **_given(entry, ("what", "default", "source", "formula", "range", "server", "more", "less", "advice")),
    )


def setting(word: str, version: str) -> SettingExplanation | None:
    """The setting that a word names: with or without dashes, by an alias, as its opposite, with a key or a value.

    Raises:
        UnknownName: when there is no such release.

    Example:
        >>> setting("-tp", "0.33.0").flag
        'tensor-parallel-size'

    """
    engine = engines.find(version)
    name = word.strip().partition("=")[0]
    flag = _flag(name)
    if flag is None:
        return None
    having = _having(flag)
    table = _nearest(engine.release, having)
    status = "present" if table == engine.release else "not yet" if _number(engine.release) < having[0] else "removed"
    entry, option = texts("settings")[flag], _tables()[table][flag]
    return SettingExplanation(
        flag=flag,
        release=engine.requested or engine.release,
        table=table,
        status=status,
        option=option,
        takes="one of the choices" if option.type == "str" and option.choices else _kind(option),
        default=_default(option, table),
        choices=_choices(option, table),
        history=history(flag),
        asked=name if _plain(name).lstrip("-") != flag else None,
        accepted_as=_opposite_of(flag, [engine.release]),
        note=engine.note,
        related=_related(entry),
        **_given(entry, ("what", "source", "more", "less", "advice", "instead")),
    )


@lru_cache(maxsize=8)
def history(flag: str) -> History:
    """What the option tables of all releases tell about a setting."""
    releases, having = engines.names(), _having(flag)
    options = [(releases[number], _tables()[releases[number]][flag]) for number in having]
    after = having[-1] + 1
    return History(
        since=releases[having[0]],
        from_the_start=having[0] == 0,
        removed=releases[after] if after < len(releases) else None,
        changes=tuple(change for one, other in pairwise(options) for change in _changes(*one, *other)),
    )


def _plain(word: str) -> str:
    """A word in the spelling of a flag."""
    return word.strip().lower().replace("_", "-")


def _flag(name: str) -> str | None:
    """The flag that a name stands for, in any release; newer releases decide what a short name means."""
    if LEVEL.fullmatch(name):
        return "optimization-level"
    key = _plain(name).lstrip("-").partition(".")[0]
    if key in texts("settings"):
        return key
    positive = key.removeprefix("no-")
    if positive in texts("settings"):
        return positive
    newest_first = engines.names()[::-1]
    for release in newest_first:
        for flag, option in _tables()[release].items():
            if key in {alias.lstrip("-") for alias in option.aliases}:
                return flag
    return _opposite_of(key, newest_first)


def _opposite_of(name: str, releases: Iterable[str]) -> str | None:
    """The setting whose opposite a name is."""
    for release in releases:
        for flag, option in _tables()[release].items():
            if option.inverse == name:
                return flag
    return None


def _number(release: str) -> int:
    return engines.names().index(release)


@lru_cache(maxsize=512)
def _having(flag: str) -> tuple[int, ...]:
    """The numbers of the releases that have a flag, oldest first."""
    return tuple(number for number, release in enumerate(engines.names()) if flag in _tables()[release])


def _nearest(release: str, having: tuple[int, ...]) -> str:
    """The release itself where it has the flag, else the last one before it that had, else the first that has."""
    before = [number for number in having if number <= _number(release)]
    return engines.names()[before[-1] if before else having[0]]


def _changes(before: str, old: Option, release: str, new: Option) -> Iterator[Change]:
    """What differs between two releases. Kinds of "nothing" (unset, an empty list) do not differ."""
    default, instead = _default(old, before), _default(new, release)
    if default != instead and not (default in EMPTY and instead in EMPTY):
        yield Change(release, "default", default, instead)
    if _kind(old) != _kind(new):
        yield Change(release, "type", _kind(old), _kind(new))
    had, has = _choices(old, before), _choices(new, release)
    if set(had) != set(has):
        gone = tuple(choice for choice in had if choice not in has)
        come = tuple(choice for choice in has if choice not in had)
        yield Change(release, "choices", gone if had else None, come if has else None)
    if new.deprecated and not old.deprecated:
        yield Change(release, "deprecated", before=False, after=True)
    if new.negatable and not old.negatable:
        yield Change(release, "negation", before=False, after=True)


def _default(option: Option, release: str) -> object:
    """What holds when an option is not set: the declared default, or in words what the release's code decides."""
    behaviour = engines.behaviour_of(release)
    if option.default is not None:
        return option.default
    if option.flag in BY_GPU:
        return _by_gpu(behaviour, BY_GPU[option.flag])
    match behaviour.get(SWITCHED.get(option.flag, "")):
        case None:
            return None
        case False:
            return False
        case "long_context":
            return f"on for contexts above {behaviour['default.long_context']} tokens"
        case _:
            return "on where the model allows it"


def _by_gpu(behaviour: Mapping[str, Any], key: str) -> object:
    """The value for each class of GPUs, as the server takes it; the last class holds for all others."""
    classes = behaviour["default.batch_classes"]
    if len({entry[key] for entry in classes}) == 1:
        value = classes[0][key]
        if key == "tokens" and behaviour["default.chunked_prefill"] == "long_context":  # the V0 engine
            return f"max-model-len, at least {behaviour['default.context_tokens_floor']}; {value} with chunked prefill"
        return value
    lines = []
    for entry in classes:
        names = ", ".join(name.upper() for name in entry.get("named", ()))
        size = f"GPUs of {entry['total_gib']} GiB and more" if entry["total_gib"] else "others"
        capability = entry.get("not_capability")
        but = [*map(str.upper, entry.get("not_named", ())), *([f"capability {capability}"] if capability else [])]
        lines.append(f"{entry[key]} on {names or size}" + (f" (not {' or '.join(but)})" if but else ""))
    return "; ".join(lines)


def _choices(option: Option, release: str) -> tuple[str, ...]:
    """The choices of an option: the parser's, or those the code accepts where that is known."""
    accepted: Any = engines.behaviour_of(release).get(ACCEPTED.get(option.flag, ""), ())
    return option.choices or tuple(sorted(accepted))


def _kind(option: Option) -> str:
    """What an option takes, in words."""
    if option.json:
        return "JSON"
    words = {"bool": "switch", "int": "whole number", "float": "number", "json": "JSON", "pairs": "key=value pairs"}
    word = words.get(option.type, "text")
    return f"{word}, several" if option.nargs in {"+", "*"} else word


def _uses(name: str) -> Iterator[Use]:
    """What the presets set a parameter to."""
    for scenario in map(scenarios.find, scenarios.names()):
        for default in scenario.sampling:
            if default.name == name:
                yield Use(scenario.name, default.value, default.reason)


def _related(entry: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """Names, each with the first sentence of its explanation."""
    parameters, settings = texts("sampling")["parameters"], texts("settings")
    found = [
        (name, parameters[name]["what"]) if name in parameters else (f"--{name}", settings[name]["what"])
        for name in entry.get("related", ())
    ]
    return tuple((name, re.split(r"(?<=[^.]\.) |: ", what)[0].rstrip(".")) for name, what in found)


def _given(entry: Mapping[str, Any], keys: Iterable[str]) -> dict[str, Any]:
    return {key: entry[key] for key in keys if key in entry}
