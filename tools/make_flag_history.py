"""Makes catalog/data/flags.json: from which to which release of vLLM an option of ``vllm serve`` exists.

    python tools/make_flag_history.py

It reads the option tables, so make those of new releases first. Names are written as in the tables: options and long
aliases bare (``max-model-len``), short aliases with their dash (``-tp``). An alias says whose it is, ``"of"``, when it
never was an option itself. Left out are negations (``no-...``) and ``-O``, which the parser of 0.6.5 and later rewrites
before it looks at its options.
"""

from __future__ import annotations

import json
from typing import Any

from spans import DATA, lines, releases, spans, write

PARSED = {"-O"}


def main() -> None:
    """Read every table and write the history."""
    tables = {release: _options(release) for release in releases()}
    options = {flag for table in tables.values() for flag in table}
    owners = {
        alias: flag
        for table in tables.values()
        for flag, entry in table.items()
        for alias in entry.get("aliases", ())
        if alias not in options and alias not in PARSED
    }
    present = {
        release: {*table, *(alias for entry in table.values() for alias in entry.get("aliases", ()))} - PARSED
        for release, table in tables.items()
    }
    history = {name: span | ({"of": owners[name]} if name in owners else {}) for name, span in spans(present).items()}
    write("flags.json", lines(history))
    gone = sum("until" in span for span in history.values())
    print(f"{len(history)} names, {len(owners)} of them aliases; {gone} gone")


def _options(release: str) -> dict[str, Any]:
    table = json.loads((DATA / "engines" / f"{release}.json").read_text(encoding="utf-8"))
    return dict(table["options"])


if __name__ == "__main__":
    main()
