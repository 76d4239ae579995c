"""Makes catalog/data/parsers.json: from which to which release of vLLM a tool-call or reasoning parser exists.

    python tools/make_parsers.py DIRECTORY

DIRECTORY has one folder per release with vLLM's sources (``0.33.0/vllm/tool_parsers/__init__.py``). Names are the keys
of the ``_TOOL_PARSERS_TO_REGISTER`` and ``_REASONING_PARSERS_TO_REGISTER`` tables (0.11.1 and later) and the arguments
of ``@ToolParserManager.register_module`` and ``@ReasoningParserManager.register_module`` (before, in modules that their
package's ``__init__`` imports). Before 0.6.3 the option listed its choices itself, which the option tables have.
"""

from __future__ import annotations

import ast
import json
import sys
from pathlib import Path

from spans import DATA, lines, releases, spans, write

FOLDERS = {
    "tool": ("entrypoints/openai/tool_parsers", "tool_parsers"),
    "reasoning": ("entrypoints/openai/reasoning_parsers", "reasoning"),
}
OPTIONS = {"tool": "tool-call-parser", "reasoning": "reasoning-parser"}
TABLES = {"tool": "_TOOL_PARSERS_TO_REGISTER", "reasoning": "_REASONING_PARSERS_TO_REGISTER"}


def main() -> None:
    """Read every release and write the table."""
    root = Path(sys.argv[1])
    known = releases()
    kinds = {
        kind: spans({name: _choices(name, kind) | read_release(root / name / "vllm", kind) for name in known})
        for kind in FOLDERS
    }
    inner = ",\n".join(f' "{kind}": {lines(table, "  ")}' for kind, table in kinds.items())
    write("parsers.json", f"{{\n{inner}\n}}")
    print({kind: len(table) for kind, table in kinds.items()})


def read_release(package: Path, kind: str) -> set[str]:
    """Every parser of a kind that a release registers."""
    names: set[str] = set()
    for folder in (package / place for place in FOLDERS[kind]):
        start = folder / "__init__.py"
        if not start.exists():
            continue
        tree = ast.parse(start.read_text(encoding="utf-8"))
        names |= _table(tree, TABLES[kind])
        imported = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module}
        for path in folder.glob("*.py"):
            if any(module.split(".")[-1] == path.stem for module in imported):
                names |= _decorated(ast.parse(path.read_text(encoding="utf-8")))
    return names


def _choices(release: str, kind: str) -> set[str]:
    """What the option of a release lists, where it does."""
    table = json.loads((DATA / "engines" / f"{release}.json").read_text(encoding="utf-8"))
    return set(table["options"].get(OPTIONS[kind], {}).get("choices", ()))


def _table(tree: ast.Module, table: str) -> set[str]:
    """The keys of a module's table."""
    found: set[str] = set()
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Dict):
            names = {target.id for target in node.targets if isinstance(target, ast.Name)}
            keys = [key.value for key in node.value.keys if isinstance(key, ast.Constant)]
            found |= {str(key) for key in keys if table in names}
    return found


def _decorated(tree: ast.Module) -> set[str]:
    """Names under which the classes of a module register themselves."""
    found: set[str] = set()
    for node in ast.walk(tree):
        for mark in node.decorator_list if isinstance(node, ast.ClassDef) else ():
            if isinstance(mark, ast.Call) and isinstance(mark.func, ast.Attribute):
                given = [*mark.args, *(keyword.value for keyword in mark.keywords if keyword.arg == "name")]
                texts = [text for value in given for text in ast.walk(value) if isinstance(text, ast.Constant)]
                found |= {text.value for text in texts if isinstance(text.value, str)}
    return found


if __name__ == "__main__":
    main()
