"""Makes catalog/data/environment.json: from which to which release of vLLM an environment variable is read.

    python tools/make_environment.py DIRECTORY

DIRECTORY has one folder per release with vLLM's sources (``0.33.0/vllm/envs.py``); beside ``vllm`` may lie what else a
source archive has: ``setup.py``, ``csrc``, ``rust``, ``docker``. A variable is read when ``vllm/envs.py`` registers it
(of any name) or when other code asks for it (only names that start with ``VLLM_``): Python by ``os.environ`` and
``os.getenv``, C++ by ``getenv``, Rust by ``env::var``, the images' entry points by ``${NAME}``.
"""

from __future__ import annotations

import ast
import re
import sys
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

from spans import lines, releases, spans, write

# Read by names put together: f'VLLM_GC_THR_GEN{i}' in vllm/worker/hpu_model_runner.py up to 0.9.2.
COMPOSED = {"VLLM_GC_THR_GEN": ("VLLM_GC_THR_GEN0", "VLLM_GC_THR_GEN1", "VLLM_GC_THR_GEN2")}
NATIVE = re.compile(r'(?:getenv\(|env::var(?:_os)?\(\s*|\benv = |_ENV: &str = )"(VLLM_\w+)"')
SHELL = re.compile(r"\$\{(VLLM_\w+)")


def main() -> None:
    """Read every release and write the table."""
    root = Path(sys.argv[1])
    known = releases()
    with ProcessPoolExecutor() as workers:
        found = dict(zip(known, workers.map(partial(read_release, root), known), strict=True))
    table = spans(found)
    write("environment.json", lines(table))
    print(f"{len(table)} variables in {len(known)} releases, {sum('until' in entry for entry in table.values())} gone")


def read_release(root: Path, release: str) -> list[str]:
    """Every variable that a release reads."""
    folder = root / release
    names = registered(ast.parse((folder / "vllm" / "envs.py").read_text(encoding="utf-8")))
    for path in [*(folder / "vllm").rglob("*.py"), folder / "setup.py"]:
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        if "VLLM_" in text:
            names |= {name for name in asked_for(ast.parse(text)) if name.startswith("VLLM_")}
    for pattern, places in ((NATIVE, ("csrc", "rust")), (SHELL, ("docker/entrypoints",))):
        for path in (path for place in places for path in (folder / place).rglob("*") if path.is_file()):
            if "tests" not in path.stem:
                names |= set(pattern.findall(path.read_text(encoding="utf-8", errors="replace")))
    return sorted(names)


def registered(tree: ast.Module) -> set[str]:
    """The keys of the ``environment_variables`` table."""
    found: set[str] = set()
    for node in ast.walk(tree):
        target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
        value = getattr(node, "value", None)
        if isinstance(target, ast.Name) and target.id == "environment_variables" and isinstance(value, ast.Dict):
            found |= {key.value for key in value.keys if isinstance(key, ast.Constant) and isinstance(key.value, str)}
    return found


def asked_for(tree: ast.Module) -> set[str]:
    """Variables that the code of a module asks the environment for, by name or by a constant of that module."""
    constants = {
        target.id: node.value.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    found: set[str] = set()
    for node in ast.walk(tree):
        name = _name_asked(node)
        if isinstance(name, ast.Name) and name.id in constants:
            found.add(constants[name.id])
        elif isinstance(name, ast.Constant) and isinstance(name.value, str):
            found.add(name.value)
        elif isinstance(name, ast.JoinedStr) and isinstance(name.values[0], ast.Constant):
            found |= set(COMPOSED.get(str(name.values[0].value), ()))
    return found


def _name_asked(node: ast.AST) -> ast.expr | None:
    """The expression between the brackets of ``os.environ[...]``, ``getenv(...)``; of ``... in os.environ``, too."""
    match node:
        case ast.Call(func=ast.Attribute(attr="get" | "pop" | "setdefault", value=place), args=[name, *_]):
            return name if _is_environ(place) else None
        case ast.Call(func=ast.Attribute(attr="getenv") | ast.Name(id="getenv"), args=[name, *_]):
            return name
        case ast.Subscript(value=place, slice=name, ctx=ast.Load()):
            return name if _is_environ(place) else None
        case ast.Compare(left=name, comparators=[place]):
            return name if _is_environ(place) else None
    return None


def _is_environ(node: ast.expr) -> bool:
    return isinstance(node, ast.Attribute) and node.attr == "environ"


if __name__ == "__main__":
    main()
