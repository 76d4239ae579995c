"""Engine releases: which there are, what options each has and how each behaves.

Two kinds of data: ``data/engines/<release>.json`` is the option table of one release, read only when an option is
looked at; ``data/behaviour/*.json`` are lists of changes, ``{"since": release, "source": where, "set": switches}``,
and a release behaves as all changes up to it say, merged in order. Only this module compares releases: everything
else reads switches.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from llmtune.catalog import UnknownName
from llmtune.spec.engine import EngineVersion, Option

DATA = Path(__file__).parent / "data"
OLDEST = (0, 6, 0)
LATEST = frozenset({"latest", "newest", "nightly", "stable"})
RELEASE = re.compile(r"v?(\d+)\.(\d+)(?:\.(\d+))?([.\-+a-z].*)?$")

Release = tuple[int, ...]


class Options(Mapping[str, Option]):
    """The option table of one release by flag name (``max-model-len``).

    The file is read when the table is first looked at, an option made when it is: a command needs a dozen of 300.
    """

    __slots__ = ("_made", "_path", "_read")

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read: dict[str, dict[str, Any]] | None = None
        self._made: dict[str, Option] = {}

    def __getitem__(self, flag: str) -> Option:
        if flag not in self._made:
            self._made[flag] = _option(flag, self._entries[flag], self._path.stem)
        return self._made[flag]

    def __contains__(self, flag: object) -> bool:
        return flag in self._entries

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def _entries(self) -> dict[str, dict[str, Any]]:
        if self._read is None:
            self._read = json.loads(self._path.read_text(encoding="utf-8"))["options"]
        return self._read


class Refused(Mapping[str, str]):
    """Architectures a release does not have, each with a release that has it."""

    __slots__ = ("_release",)

    def __init__(self, release: Release) -> None:
        self._release = release

    def __getitem__(self, architecture: str) -> str:
        entry = _registered()[architecture]
        if _parts(entry["since"]) > self._release:
            return entry["since"]
        if "until" in entry and _parts(entry["until"]) < self._release:
            return entry["until"]
        raise KeyError(architecture)

    def __iter__(self) -> Iterator[str]:
        return (name for name in _registered() if name in self)

    def __len__(self) -> int:
        return sum(1 for _ in self)


@lru_cache(maxsize=1)
def _registered() -> dict[str, dict[str, str]]:
    table: dict[str, dict[str, str]] = json.loads((DATA / "architectures.json").read_text(encoding="utf-8"))
    return table


@lru_cache(maxsize=1)
def names() -> tuple[str, ...]:
    """Every release that has an option table, oldest first."""
    releases = [path.stem for path in (DATA / "engines").glob("*.json")]
    return tuple(sorted(releases, key=_parts))


def newest() -> str:
    """The newest release known."""
    return names()[-1]


@lru_cache(maxsize=64)
def find(text: str) -> EngineVersion:
    """The release that ``text`` names: ``0.33.0``, ``v0.11``, ``0.10.1.1``, ``0.20.1rc1+g7a1eb8a``, ``latest``.

    A release without an option table of its own gets the table of the nearest earlier one, and ``note`` says so; it
    keeps the behaviour of its own number.

    Raises:
        UnknownName: when it is no release, older than 0.6.0 or newer than the newest known.

    Example:
        >>> find("0.20.1rc1.dev16+g7a1eb8a").requested
        '0.20.1rc1.dev16+g7a1eb8a'

    """
    wanted = text.strip()
    if wanted.lower() in LATEST:
        return _version(newest(), newest(), wanted)
    match = RELEASE.fullmatch(wanted.lower())
    if match is None:
        raise _unknown(wanted)
    release = (int(match[1]), int(match[2]), int(match[3] or 0), *_post(match[4] or ""))
    if release < OLDEST or release[:3] > _parts(newest())[:3]:
        hint = f"Releases from {names()[0]} to {newest()} are known"
        raise UnknownName("vLLM version", wanted, hint=hint)
    # A bare line (0.27) means its newest release known, as an image tag does.
    if match[3] is None:
        return _version(_last_of_line(release), _last_of_line(release), wanted)
    table = max((name for name in names() if _parts(name) <= release), key=_parts)
    return _version(table, ".".join(map(str, release)), wanted)


@lru_cache(maxsize=1024)
def parts(release: str) -> Release:
    """The numbers of a release, to compare it by; a bare line (0.27) means its newest release known, as in ``find``.

    >>> parts("v0.8.5.post1") > parts("0.8.5") == parts("0.8.5rc2+g7a1eb8a")
    True

    Raises:
        UnknownName: when it is no release.

    """
    if release.strip().lower() in LATEST:
        return _parts(newest())
    match = RELEASE.fullmatch(release.strip().lower())
    if match is None:
        raise _unknown(release)
    line = (int(match[1]), int(match[2]))
    if match[3] is None:
        known = [_parts(name) for name in names() if _parts(name)[:2] == line]
        return known[-1] if known else (*line, 0)
    return (*line, int(match[3]), *_post(match[4] or ""))


def behaviour_of(release: str) -> Mapping[str, object]:
    """The behaviour switches of a release."""
    return _behaviour(_parts(release))


def _version(table: str, release: str, wanted: str) -> EngineVersion:
    same = wanted.removeprefix("v") == table or wanted.lower() in LATEST
    note = None if same else f"vLLM {wanted} is not in the catalog; the options of {table} stand in"
    return EngineVersion(
        release=table,
        options=Options(DATA / "engines" / f"{table}.json"),
        behaviour=_behaviour(_parts(release)),
        refused=Refused(_parts(release)),
        requested="" if same else wanted,
        note=note,
    )


@lru_cache(maxsize=8)
def _behaviour(release: Release) -> dict[str, object]:
    switches: dict[str, object] = {}
    for entry in _changes():
        if _parts(entry["since"]) <= release:
            switches.update(entry["set"])
    return switches


@lru_cache(maxsize=1)
def _changes() -> tuple[dict[str, Any], ...]:
    entries = [
        entry
        for path in sorted((DATA / "behaviour").glob("*.json"))
        for entry in json.loads(path.read_text(encoding="utf-8"))
    ]
    return tuple(sorted(entries, key=lambda entry: _parts(entry["since"])))


@lru_cache(maxsize=512)
def _parts(release: str) -> Release:
    return tuple(int(number) for number in re.findall(r"\d+", release))


def _post(suffix: str) -> tuple[int, ...]:
    """The fourth number of a release (0.10.1.1, 0.8.5.post1); other suffixes count as the release itself."""
    match = re.match(r"\.(?:post)?(\d+)", suffix)
    return (int(match[1]),) if match else ()


def _last_of_line(release: Release) -> str:
    line = [name for name in names() if _parts(name)[:2] == release[:2]]
    return line[-1] if line else max((name for name in names() if _parts(name) <= release), key=_parts)


def _option(flag: str, entry: Mapping[str, Any], release: str) -> Option:
    known = Option.__annotations__.keys() - {"flag", "flag_only", "choices", "aliases", "nargs", "keys"}
    nargs = entry.get("nargs")
    return Option(
        flag=flag,
        flag_only=bool(entry.get("flag")),
        choices=tuple(str(choice) for choice in entry.get("choices", ())),
        aliases=tuple(entry.get("aliases", ())),
        nargs=None if nargs is None else str(nargs),
        keys=_keys_of(flag, release) if entry["type"] != "bool" and "choices" not in entry else {},
        **{key: value for key, value in entry.items() if key in known},
    )


def _keys_of(flag: str, release: str) -> Mapping[str, tuple[str, ...]]:
    from llmtune.catalog import json_fields  # noqa: PLC0415 - it imports this module, and few options need it

    return json_fields.keys(flag, release)


def _unknown(wanted: str) -> UnknownName:
    return UnknownName("vLLM version", wanted, names())
