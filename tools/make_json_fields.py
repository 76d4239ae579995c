"""Makes catalog/data/json_fields.json: what may stand in vLLM's JSON options, release by release.

    python tools/make_json_fields.py DIRECTORY

DIRECTORY has one folder per release with vLLM's sources (``0.33.0/vllm``). An option whose field of ``EngineArgs`` is
a config class is parsed as that class, and a class that is declared with ``extra="forbid"`` (by itself, or from 0.16.0
on by ``@config``) refuses every other key; ``--speculative-config`` is made a ``SpeculativeConfig`` a little later.
Classes that allow other keys are left out.

A plain option of which only the config class checks the value (limits of numbers, ``LATE``) has an entry with types
under ``""``.

Form: option (``@Class`` for a class inside another) to key to a list of ``{"since", "until", "types"}``, without
``until`` where the newest release has it; the key ``""`` says in which releases other keys are refused. Types are what
pydantic takes in JSON: int, float, bool, str, list, ``list:int``, dict, none, any; ``int>=1,<=9`` and
``float!=0`` with limits; ``=text`` and ``=#3`` for literals, ``~name`` and ``~#1`` for members of an enum, in any case,
``%name`` for those of which dashes do not either; ``@Class``.
"""

from __future__ import annotations

import ast
import json
import re
import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from spans import DATA, releases, write

SIMPLE = {"int", "float", "bool", "str"}
LISTS = {"list", "List", "tuple", "Tuple", "Sequence"}
LIMITS = {"ge": ">=", "gt": ">", "le": "<=", "lt": "<"}
ARGUMENTS = "vllm.engine.arg_utils"
# Options whose parser takes any text: the class and the field that check it.
LATE = {
    "kv-cache-dtype": ("CacheConfig", "cache_dtype"),
    "attention-backend": ("AttentionConfig", "backend"),
    "distributed-executor-backend": ("ParallelConfig", "distributed_executor_backend"),
    "max-num-seqs": ("SchedulerConfig", "max_num_seqs"),
    "max-num-batched-tokens": ("SchedulerConfig", "max_num_batched_tokens"),
}
# Classes that every start makes: limits of the others count only with LoRA, images and so on.
ALWAYS = {"CacheConfig", "ModelConfig", "ParallelConfig", "SchedulerConfig"}
SPECULATIVE = ("speculative_config", "SpeculativeConfig")

Fields = dict[str, tuple[str, ...]]


def main() -> None:
    """Read every release and write the table."""
    root = Path(sys.argv[1])
    known = releases()
    with ProcessPoolExecutor() as workers:
        found = dict(zip(known, workers.map(partial(read_release, root), known), strict=True))
    table: dict[str, dict[str, list[dict[str, Any]]]] = {}
    for release, options in found.items():
        for option, fields in options.items():
            for key, types in fields.items():
                _note(table.setdefault(option, {}).setdefault(key, []), release, types, known)
    for entries in (entries for keys in table.values() for entries in keys.values()):
        if entries[-1]["until"] == known[-1]:
            del entries[-1]["until"]
    write("json_fields.json", _text(table))
    print(f"{len(table)} options and classes, {sum(map(len, table.values()))} keys")


def _note(entries: list[dict[str, Any]], release: str, types: tuple[str, ...], known: list[str]) -> None:
    """One more release that has a key: the last entry grows when nothing changed since."""
    last = entries[-1] if entries else None
    if last and last.get("types", []) == list(types) and known.index(last["until"]) == known.index(release) - 1:
        last["until"] = release
    else:
        entries.append({"since": release, "until": release} | ({"types": list(types)} if types else {}))


def _text(table: dict[str, dict[str, list[dict[str, Any]]]]) -> str:
    parts = []
    for option in sorted(table):
        rows = ",\n".join(f"  {json.dumps(key)}: {json.dumps(table[option][key])}" for key in sorted(table[option]))
        parts.append(f" {json.dumps(option)}: {{\n{rows}\n }}")
    return "{\n" + ",\n".join(parts) + "\n}"


def read_release(root: Path, release: str) -> dict[str, Fields]:
    """The keys of every strict option of a release, and of the classes inside them."""
    sources = Sources(root / release)
    arguments = sources.module(ARGUMENTS)
    classes = [node for node in arguments.body if isinstance(node, ast.ClassDef) and node.name == "EngineArgs"]
    options = json.loads((DATA / "engines" / f"{release}.json").read_text(encoding="utf-8"))["options"]
    found: dict[str, Fields] = {}
    for node in classes[0].body if classes else ():
        if not isinstance(node, ast.AnnAssign) or not isinstance(node.target, ast.Name):
            continue
        option = options.get(node.target.id.replace("_", "-"), {})
        if not option.get("json"):
            if option.get("type") in {"int", "float"} and not option.get("choices"):
                found |= _limits(node.target.id.replace("_", "-"), node.value, sources)
            continue
        names = {part.id for part in ast.walk(_parsed(node.annotation)) if isinstance(part, ast.Name)}
        if node.target.id == SPECULATIVE[0]:
            names = {SPECULATIVE[1]}
        option = node.target.id.replace("_", "-")
        for name in sorted(names):
            if fields := sources.fields(name, found):
                found[option] = fields
    for option, (name, key) in LATE.items():
        types = sources.fields(name, {}).get(key, ())
        known = any(kind[0] in "=~" for kind in types) or "any" not in types
        if option in options and not options[option].get("choices") and types and known:
            loose = {"int", "str", "any"} if options[option]["type"] == "str" else set()
            found[option] = {"": tuple(kind for kind in types if kind not in loose)}
    return found


def _limits(option: str, value: ast.expr | None, sources: Sources) -> dict[str, Fields]:
    """The limits of a number whose default names the config class that has it."""
    match value:
        case ast.Call(func=ast.Name(id="get_field"), args=[ast.Name(id=name), ast.Constant(value=str() as key)]):
            pass
        case ast.Attribute(value=ast.Name(id=name), attr=key):
            pass
        case _:
            return {}
    types = sources.fields(name, {}).get(key, ()) if name in ALWAYS else ()
    return {option: {"": types}} if any(kind[-1:].isdigit() for kind in types) else {}


@dataclass
class Sources:
    """One release's modules, parsed when they are asked for."""

    folder: Path
    modules: dict[str, ast.Module] = field(default_factory=dict)
    forbids: bool | None = None

    def module(self, name: str) -> ast.Module:
        """A module by its dotted name; an empty one where there is none."""
        if name not in self.modules:
            path = self.folder / Path(*name.split("."))
            path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
            self.modules[name] = ast.parse(path.read_text(encoding="utf-8") if path.exists() else "")
        return self.modules[name]

    def definition(self, name: str, module: str, depth: int = 0) -> tuple[ast.AST | None, str]:
        """Where a class or an alias is defined, following imports from a module on."""
        tree = self.module(module)
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef) and node.name == name:
                return node, module
            if isinstance(node, ast.Assign) and any(isinstance(to, ast.Name) and to.id == name for to in node.targets):
                return node.value, module
            if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.target.id == name:
                return node.value, module
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module and depth < 4:  # noqa: PLR2004 - vllm re-exports twice
                for alias in node.names:
                    if (alias.asname or alias.name) == name and node.module.startswith("vllm"):
                        return self.definition(alias.name, node.module, depth + 1)
        return None, module

    def strict(self, node: ast.ClassDef) -> bool:
        """Whether a class refuses keys that it does not have."""
        if self.forbids is None:
            text = ast.unparse(self.module("vllm.config.utils"))
            self.forbids = "ConfigDict(extra='forbid')" in text
        for decorator in map(ast.unparse, node.decorator_list):
            if "extra=" in decorator:
                return "extra='forbid'" in decorator
            if decorator.split("(")[0] == "config" and self.forbids:
                return True
        return False

    def fields(self, name: str, found: dict[str, Fields], module: str = ARGUMENTS) -> Fields:
        """The keys of a strict config class; classes inside it are added to ``found``."""
        node, place = self.definition(name, module)
        if not isinstance(node, ast.ClassDef) or not self.strict(node):
            return {}
        before, optional = _validators(node)
        apart_from_zero = _not_zero(node)
        fields: Fields = {"": ()}
        for base in node.bases:
            if isinstance(base, ast.Name):
                fields |= self.fields(base.id, found, place)
        for item in node.body:
            if not isinstance(item, ast.AnnAssign) or not isinstance(item.target, ast.Name):
                continue
            key, written = item.target.id, ast.unparse(item.annotation)
            if written.startswith(("ClassVar", "InitVar")) or (item.value and "init=False" in ast.unparse(item.value)):
                continue
            types = Types(self, place, found).of(item.annotation)
            if key in before or "*" in before:
                types = self._eased(types, before.get(key, before.get("*", "")), item.annotation, place)
            if "_coerce_quant_key(v)" in before.get(key, ""):
                types = [kind for kind in types if kind != "str"] + self._quantisations(key, place)
            if key in apart_from_zero:
                types = [f"{kind}!=0" if kind in {"int", "float"} else kind for kind in types]
            extra = ["none"] if key in optional else []
            fields[key] = tuple(dict.fromkeys([*_limited(types, item.value), *extra]))
        return fields

    def _eased(self, types: list[str], validator: str, annotation: ast.expr, place: str) -> list[str]:
        """Types of a key whose text a validator changes first: names of an enum, literals without case."""
        if ast.unparse(annotation).startswith(("dict[", "Dict[")):
            return ["dict", *(kind for kind in types if kind == "none")]
        if ".upper()" in validator:
            enums = [self.definition(part.id, place)[0] for part in ast.walk(annotation) if isinstance(part, ast.Name)]
            names = [
                f"~{to.id}"
                for node in enums
                if isinstance(node, ast.ClassDef)
                for item in node.body
                if isinstance(item, ast.Assign)
                for to in item.targets
                if isinstance(to, ast.Name)
            ]
            numbers = [f"~#{number}" for node in enums for number in _numbers(node)]
            auto = ["~auto"] if "'auto'" in validator else []
            return [*names, *auto, *numbers, "none"] if names else ["any"]
        if ".lower()" in validator and all(kind[0] == "=" for kind in types):
            return [f"%{kind[1:]}" for kind in types]
        if "(**" in validator and any(kind.startswith("@") for kind in types):
            return types
        if "split(','" in validator:
            return ["list:str", "str"]
        texts = "not isinstance(v, str)" in validator and any(kind.startswith("@") for kind in types)
        return [*types, "str"] if texts else types if set(types) <= {"dict", "none"} else ["any"]

    def _quantisations(self, key: str, place: str) -> list[str]:
        """What a text for a quantisation spec may be: a kind of number, or the name of a recipe that has the key."""
        found: list[str] = []
        for name in ("QUANT_KEY_NAMES", "_ONLINE_SHORTHANDS"):
            table = self.definition(name, place)[0]
            for text, value in zip(table.keys, table.values, strict=True) if isinstance(table, ast.Dict) else ():
                given = {keyword.arg for keyword in value.keywords} if isinstance(value, ast.Call) else {key}
                if isinstance(text, ast.Constant) and isinstance(text.value, str) and key in given:
                    found.append(f"={text.value}")
        return found


def _numbers(node: ast.AST | None) -> list[int]:
    """The values of an enum's members that are numbers."""
    body = node.body if isinstance(node, ast.ClassDef) else []
    values = [item.value for item in body if isinstance(item, ast.Assign)]
    return [value.value for value in values if isinstance(value, ast.Constant) and isinstance(value.value, int)]


@dataclass
class Types:
    """What an annotation takes."""

    sources: Sources
    module: str
    found: dict[str, Fields]

    def of(self, node: ast.expr | None) -> list[str]:
        """Types of an annotation, ``any`` where they are none of those that are checked."""
        match _parsed(node):
            case ast.Constant(value=None):
                found = ["none"]
            case ast.BinOp(left=left, right=right):
                found = [*self.of(left), *self.of(right)]
            case ast.Subscript(value=ast.Name(id=name), slice=inner):
                found = self._generic(name, inner)
            case ast.Name(id=name):
                found = [name] if name in SIMPLE | {"dict", "list"} else self._named(name)
            case _:
                found = ["any"]
        return found

    def _generic(self, name: str, inner: ast.expr) -> list[str]:
        """``Name[inner]``."""
        items = list(inner.elts) if isinstance(inner, ast.Tuple) else [inner]
        found = ["any"]
        if name in {"Optional", "Union"}:
            found = [kind for item in items for kind in self.of(item)] + ["none"] * (name == "Optional")
        elif name == "Literal":
            found = self._literals(items)
        elif name in {"dict", "Dict"}:
            found = ["dict"]
        elif name in LISTS:
            kinds = self.of(inner)
            found = [f"list:{kinds[0]}"] if kinds in (["int"], ["str"]) and name in {"list", "List"} else ["list"]
        return found

    def _literals(self, items: list[ast.expr]) -> list[str]:
        found: list[str] = []
        for item in items:
            match item:
                case ast.Constant(value=str() as text):
                    found.append(f"={text}")
                case ast.Constant(value=int() as number):
                    found.append(f"=#{number}")
                case ast.Constant(value=None):
                    found.append("none")
                case _:
                    found += self.of(item)
        return found

    def _named(self, name: str) -> list[str]:
        node, place = self.sources.definition(name, self.module)
        if isinstance(node, ast.ClassDef):
            fields = self.sources.fields(name, self.found, self.module)
            if fields:
                self.found[f"@{name}"] = fields
            return [f"@{name}"] if fields else ["any"]
        return Types(self.sources, place, self.found).of(node) if isinstance(node, ast.Subscript) else ["any"]


def _parsed(node: ast.expr | None) -> Any:
    """An annotation, also one that is written as a string."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return ast.parse(node.value, mode="eval").body
    return node


def _validators(node: ast.ClassDef) -> tuple[dict[str, str], set[str]]:
    """The source of what changes a key's value before it is checked, and keys that may be null by a validator."""
    before: dict[str, str] = {}
    optional: set[str] = set()
    for item in node.body:
        for call in getattr(item, "decorator_list", ()):
            if not isinstance(call, ast.Call) or ast.unparse(call.func) != "field_validator":
                continue
            keys = [argument.value for argument in call.args if isinstance(argument, ast.Constant)]
            mode = next((keyword.value for keyword in call.keywords if keyword.arg == "mode"), None)
            written = ast.unparse(mode).strip("'") if mode else "after"
            source = ast.unparse(item)
            if written == "wrap" and "skip_none" in source:
                optional |= {str(key) for key in keys}
            elif written != "after":
                before |= {str(key): source for key in keys}
    return before, optional


def _not_zero(node: ast.ClassDef) -> set[str]:
    """Keys of which a check of the class refuses nothing but a zero."""
    tests = [ast.unparse(item.test) for item in ast.walk(node) if isinstance(item, ast.If) and _only_raises(item)]
    found = (re.fullmatch(r"(?:self\.(\w+) is not None and )?self\.(\w+) == 0", test) for test in tests)
    return {match[2] for match in found if match and match[1] in {None, match[2]}}


def _only_raises(node: ast.If) -> bool:
    return len(node.body) == 1 and isinstance(node.body[0], ast.Raise)


def _limited(types: list[str], value: ast.expr | None) -> list[str]:
    """Numbers with the limits that ``Field(ge=1)`` sets."""
    limits = [
        f"{LIMITS[keyword.arg]}{ast.literal_eval(keyword.value)}"
        for keyword in getattr(value, "keywords", ())
        if keyword.arg in LIMITS and isinstance(keyword.value, ast.Constant)
    ]
    return [f"{kind}{','.join(limits)}" if kind in {"int", "float"} else kind for kind in types]


if __name__ == "__main__":
    main()
