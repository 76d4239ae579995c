"""Makes catalog/data/architectures.json: the first release of every architecture, and the last of those removed.

    python tools/make_architectures.py DIRECTORY

DIRECTORY has one folder per release with vLLM's sources (``0.33.0/vllm/model_executor/models/registry.py``). Names are
the keys of the ``*_MODELS`` tables there. An architecture that left its table counts as removed only where the release
lists it among those supported before: the others run through the Transformers backend from then on.
"""

from __future__ import annotations

import ast
import json
import sys
from pathlib import Path

OUT = Path(__file__).parents[1] / "src" / "llmtune" / "catalog" / "data" / "architectures.json"
SKIPPED = ("_SPECULATIVE", "_OOT", "_PREVIOUSLY", "_VLLM_MODELS", "_MODELS")


def main() -> None:
    """Read every release and write the table."""
    root = Path(sys.argv[1])
    releases = sorted((path.name for path in root.iterdir() if path.is_dir()), key=_parts)
    first: dict[str, str] = {}
    last: dict[str, str] = {}
    removed: dict[str, str] = {}
    for release in releases:
        known, before = read_registry(root / release / "vllm" / "model_executor" / "models")
        for name in known:
            first.setdefault(name, release)
            last[name] = release
            removed.pop(name, None)
        for name in before - known:
            removed.setdefault(name, release)
    table = {name: {"since": first[name]} for name in sorted(first, key=str.casefold)}
    for name in removed.keys() & first.keys():
        table[name]["until"] = last[name]
    lines = ",\n".join(f" {json.dumps(name)}: {json.dumps(entry)}" for name, entry in table.items())
    OUT.write_text(f"{{\n{lines}\n}}\n", encoding="utf-8")
    print(f"{len(table)} architectures in {len(releases)} releases, {len(removed)} removed")


def read_registry(models: Path) -> tuple[set[str], set[str]]:
    """Architectures a release has, and those it says it had."""
    path = models / "registry.py"
    tree = ast.parse((path if path.exists() else models / "__init__.py").read_text(encoding="utf-8"))
    known: set[str] = set()
    before: set[str] = set()
    for node in ast.walk(tree):
        target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
        value = getattr(node, "value", None)
        if not isinstance(target, ast.Name) or not isinstance(value, ast.Dict) or not target.id.endswith("_MODELS"):
            continue
        keys = {key.value for key in value.keys if isinstance(key, ast.Constant) and isinstance(key.value, str)}
        if target.id.startswith("_PREVIOUSLY"):
            before |= keys
        elif not target.id.startswith(SKIPPED[:3]) and target.id not in SKIPPED[3:]:
            known |= keys
    return known, before


def _parts(release: str) -> tuple[int, ...]:
    return tuple(int(part) for part in release.replace("post", "").split("."))


if __name__ == "__main__":
    main()
