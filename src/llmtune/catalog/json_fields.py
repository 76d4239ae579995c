"""What may stand in a JSON option of a release: which keys, and what their values are.

``data/json_fields.json`` is made by ``tools/make_json_fields.py``, which says what its entries mean. Options that are
not in it take any key.
"""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

from llmtune.catalog.engines import parts

DATA = Path(__file__).parent / "data" / "json_fields.json"


@lru_cache(maxsize=256)
def keys(flag: str, release: str) -> dict[str, tuple[str, ...]]:
    """Every key of an option with the types of its value, inner ones with dots; empty where any key may stand.

    The key ``""`` has the types of the value itself, for an option that is no JSON.

    >>> keys("eplb-config", "0.33.0")["window_size"]
    ('int>0',)
    """
    found: dict[str, tuple[str, ...]] = {}
    _add(found, "", flag, parts(release))
    return found


def _add(found: dict[str, tuple[str, ...]], prefix: str, name: str, release: tuple[int, ...]) -> None:
    """The keys of an option or of a class inside it, as they are at a release."""
    table = _table().get(name, {})
    strict = next((entry for entry in table.get("", ()) if _holds(entry, release)), None)
    if strict is None:
        return
    if "types" in strict:
        found[""] = tuple(strict["types"])
    for key, entries in table.items():
        types = next((entry["types"] for entry in entries if key and _holds(entry, release)), None)
        if types is None:
            continue
        found[prefix + key] = tuple(types)
        for kind in types:
            if kind.startswith("@"):
                _add(found, f"{prefix}{key}.", kind, release)


def _holds(entry: dict[str, Any], release: tuple[int, ...]) -> bool:
    return parts(entry["since"]) <= release and ("until" not in entry or release <= parts(entry["until"]))


@lru_cache(maxsize=1)
def _table() -> dict[str, dict[str, list[dict[str, Any]]]]:
    table: dict[str, dict[str, list[dict[str, Any]]]] = json.loads(DATA.read_text(encoding="utf-8"))
    return table
