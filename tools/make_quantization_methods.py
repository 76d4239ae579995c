"""Makes catalog/data/quantization_methods.json: which release of vLLM has a quantisation method or a load format.

    python tools/make_quantization_methods.py DIRECTORY

DIRECTORY has one folder per release with vLLM's sources. ``deprecated`` is the first release that asks for
``--allow-deprecated-quantization``, where later ones with the method do, too; ``min_capability`` the compute capability
(75 for 7.5) that the newest release with the method asks for, of the method as a whole: its schemes may ask for more.
What to do instead, ``removed_advice``, is written by hand in the file and kept.
"""

from __future__ import annotations

import ast
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spans import DATA, lines, releases, spans, write

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

FILE = "quantization_methods.json"
FORMATS = ("config.py", "config/__init__.py", "config/load.py", "model_executor/model_loader/__init__.py")
QUANTIZATION = "model_executor/layers/quantization"
CLASSES = (  # a model's own method is described beside the model
    f"{QUANTIZATION}/**/*.py",
    "model_executor/models/deepseek_v4*.py",
    "models/deepseek_v4*/**/*.py",
)
LISTS = ("QUANTIZATION_METHODS", "QuantizationMethods")
ONLINE = "OnlineQuantizationConfig"  # the class of methods that have a name and no entry of their own


def main() -> None:
    """Read every release and write the table."""
    root = Path(sys.argv[1])
    packages = {release: root / release / "vllm" for release in releases()}
    old: dict[str, dict[str, Any]] = {"methods": {}, "load_formats": {}}
    if (DATA / FILE).exists():
        old = json.loads((DATA / FILE).read_text(encoding="utf-8"))
    tables = {
        "methods": methods(packages),
        "load_formats": spans({release: load_formats(package) for release, package in packages.items()}),
    }
    for kind, table in tables.items():
        for name, entry in table.items():
            if "until" in entry:
                entry["removed_advice"] = old[kind].get(name, {}).get("removed_advice", "")
    inner = ",\n".join(f' "{kind}": {lines(table, "  ")}' for kind, table in tables.items())
    write(FILE, f"{{\n{inner}\n}}")
    print({kind: len(table) for kind, table in tables.items()})


def methods(packages: Mapping[str, Path]) -> dict[str, dict[str, Any]]:
    """The methods of all releases."""
    trees = {release: _parse(package / QUANTIZATION / "__init__.py") for release, package in packages.items()}
    listed = {release: set().union(*(_listed(tree, name) for name in LISTS)) for release, tree in trees.items()}
    table: dict[str, dict[str, Any]] = dict(spans(listed))
    for release, package in packages.items():
        discouraged = _listed(trees[release], "DEPRECATED_QUANTIZATION_METHODS")
        least = capabilities(package, trees[release])
        for name in listed[release]:
            if name in discouraged:
                table[name].setdefault("deprecated", release)
            else:
                table[name].pop("deprecated", None)
            if least.get(name, 0) > 0:
                table[name]["min_capability"] = least[name]
    return table


def capabilities(package: Path, tree: ast.Module) -> dict[str, int]:
    """What ``get_min_capability`` of each method's class returns, inherited or not."""
    known = {name: node for pattern in CLASSES for name, node in _classes(package, pattern)}
    found = {}
    for node in ast.walk(tree):
        for key, value in zip(node.keys, node.values, strict=True) if isinstance(node, ast.Dict) else ():
            if isinstance(key, ast.Constant) and isinstance(value, ast.Name):
                # A class that depends on the platform stands in a variable; both are that of the model.
                name = "DeepseekV4FP8Config" if value.id == "deepseek_config" else value.id
                found[str(key.value)] = _capability(known, name)
    online = dict.fromkeys(_listed(tree, "QuantizationMethods"), _capability(known, ONLINE))
    return online | found


def _capability(known: Mapping[str, ast.ClassDef], name: str) -> int:
    if name not in known:
        return 0
    for item in known[name].body:
        if isinstance(item, ast.FunctionDef) and item.name == "get_min_capability":
            given = [node.value for node in ast.walk(item) if isinstance(node, ast.Return)]
            return int(ast.literal_eval(given[0])) if given and given[0] else 0
    return max((_capability(known, ast.unparse(base)) for base in known[name].bases), default=0)


def _classes(package: Path, pattern: str) -> Iterator[tuple[str, ast.ClassDef]]:
    for path in sorted(package.glob(pattern)):
        text = path.read_text(encoding="utf-8")
        if "Config(" in text:
            yield from ((node.name, node) for node in ast.walk(ast.parse(text)) if isinstance(node, ast.ClassDef))


def load_formats(package: Path) -> set[str]:
    """The values of ``--load-format`` that a release knows: an enumeration, later a list of words."""
    found: set[str] = set()
    for path in (package / place for place in FORMATS):
        tree = _parse(path)
        found |= _listed(tree, "LoadFormats")
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef) and node.name == "LoadFormat":
                given = [item.value for item in node.body if isinstance(item, ast.Assign)]
                found |= {str(item.value) for item in given if isinstance(item, ast.Constant)}
    return found


def _listed(tree: ast.Module, name: str) -> set[str]:
    """Every text in what a module gives a name: a list, the keys of a table, a ``Literal``."""
    for node in tree.body:
        target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
        if isinstance(target, ast.Name) and target.id == name and isinstance(node, ast.Assign | ast.AnnAssign):
            return {
                item.value
                for item in ast.walk(node.value or node)
                if isinstance(item, ast.Constant) and isinstance(item.value, str)
            }
    return set()


def _parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8") if path.exists() else "")


if __name__ == "__main__":
    main()
