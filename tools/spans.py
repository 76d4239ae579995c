"""From which to which release a name exists: what the tools that read many releases share.

A table made here maps a name to ``{"since": first release}``, with ``"until"``, the last one, when the newest release
does not have it any more. ``since`` of the oldest release known means that one or earlier; gaps in between are ignored.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

DATA = Path(__file__).parents[1] / "src" / "llmtune" / "catalog" / "data"


def releases() -> list[str]:
    """Every release that has an option table, oldest first."""
    return sorted((path.stem for path in (DATA / "engines").glob("*.json")), key=parts)


def parts(release: str) -> tuple[int, ...]:
    """The numbers of a release, to compare it by."""
    return tuple(int(number) for number in re.findall(r"\d+", release))


def spans(names: Mapping[str, Iterable[str]]) -> dict[str, dict[str, str]]:
    """First and last release of every name, of the names of each release, oldest release first."""
    first: dict[str, str] = {}
    last: dict[str, str] = {}
    newest = ""
    for newest, present in names.items():  # the last one is used below
        for name in present:
            first.setdefault(name, newest)
            last[name] = newest
    return {
        name: {"since": first[name]} | ({} if last[name] == newest else {"until": last[name]}) for name in sorted(first)
    }


def lines(table: Mapping[str, object], indent: str = " ") -> str:
    """A JSON object with one entry a line."""
    inner = ",\n".join(
        f"{indent}{json.dumps(name)}: {json.dumps(entry, ensure_ascii=False)}" for name, entry in table.items()
    )
    return f"{{\n{inner}\n{indent[1:]}}}"


def write(name: str, text: str) -> None:
    """Write a file of the catalogue."""
    (DATA / name).write_text(text + "\n", encoding="utf-8")
