"""Read the option table of ``vllm serve`` out of a vLLM release and write the release's file.

    python tools/make_engine_options.py RELEASE SOURCE [--date YYYY-MM-DD] [--out FOLDER]

SOURCE is a wheel, a folder that holds ``vllm/`` (an unpacked wheel or source archive), or a git
directory followed by a tag as ``path/to/repo.git@v0.33.0``. The file is
``src/llmtune/catalog/data/engines/<RELEASE>.json``; the same source always gives the same bytes.

How it works
    The rules by which vLLM turns its config classes into options change with every release, so
    they are run, not imitated: a subprocess builds the release's own parser and its argparse
    actions are written down. Packages that vLLM imports (torch, transformers, ...) are replaced by
    stand-ins, and so is each vLLM module that cannot be loaded without them (``-v`` lists them).
    The machine is faked as one with a CUDA GPU. What a converter accepts is found by asking it
    with sample texts. Given up for this: the release's Python code runs, so use trusted sources.

What an option's entry says (a field that is false or absent is left out)
    type        bool, int, float, str, json, pairs (``image=4,video=1``); of one item when a list
    choices     the only legal values
    default     a JSON value; left out when vLLM computes it at run time or it has no JSON form
    nargs       "+" or a number: a list of items; "?": the value itself may be left out
    flag        takes no value and has no opposite
    negatable   takes no value; ``--no-<name>`` is its opposite
    inverse     a second name of the opposite (``disable-lora`` of ``enable-lora``)
    append      may be given several times, each adds an item
    aliases     other names: ``-tp`` with its single dash, long ones bare like the key
    human       accepts 1k, 2K, 25.6k; of json: so do bare numbers inside it
    auto        accepts the word auto in place of the number
    json        takes a JSON object, hence (from 0.9.0 on) dotted sub-keys too; with type str, pairs
                or int, as well as such a value (a compilation level, for int)
    optional    the text None means no value
    deprecated  vLLM's parser or the option's own help text says so
"""

# The stand-ins are mostly special methods, and what argparse knows is in its private attributes.
# ruff: noqa: SLF001

from __future__ import annotations

import abc
import argparse
import collections
import contextlib
import dataclasses
import enum
import importlib
import importlib.abc
import importlib.machinery
import importlib.metadata
import importlib.util
import inspect
import io
import json
import os
import re
import subprocess
import sys
import tarfile
import tempfile
import types
import zipfile
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar

ENGINES = Path(__file__).resolve().parent.parent / "src/llmtune/catalog/data/engines"

# ------------------------------------------------------------------------ where a release comes from


def unpack(source: str, folder: Path) -> tuple[Path, str, str | None]:
    """Lay out the Python files of SOURCE; return the tree, the kind of source and its build day."""
    path = Path(source)
    if path.suffix == ".whl":
        return folder, "wheel", _unpack_wheel(path, folder)
    if path.is_dir() and (path / "vllm").is_dir():
        return path, "sources", _built(path / "PKG-INFO")
    repository, _, tag = source.rpartition("@")
    if not repository:
        raise SystemExit(f"{source}: no wheel, no folder with vllm/ in it, no repository@tag")
    return folder, f"tag {tag}", _unpack_tag(repository, tag, folder)


def _unpack_wheel(path: Path, folder: Path) -> str:
    with zipfile.ZipFile(path) as wheel:
        for name in filter(_is_ours, wheel.namelist()):
            wheel.extract(name, folder)
        year, month, day = max(info.date_time for info in wheel.infolist())[:3]
    return f"{year:04}-{month:02}-{day:02}"


def _unpack_tag(repository: str, tag: str, folder: Path) -> str:
    git = ["git", "-C", repository]
    packed = subprocess.run([*git, "archive", tag, "vllm"], check=True, capture_output=True).stdout
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        for member in archive:
            if _is_ours(member.name):
                archive.extract(member, folder, filter="data")
    log = [*git, "log", "-1", "--format=%cs", tag]
    return subprocess.run(log, check=True, capture_output=True, text=True).stdout.strip()


def _is_ours(name: str) -> bool:
    path = PurePosixPath(name)
    return path.parts[0] == "vllm" and path.suffix == ".py" and ".." not in path.parts


def _built(file: Path) -> str | None:
    if not file.exists():
        return None
    return datetime.fromtimestamp(file.stat().st_mtime, UTC).date().isoformat()


# ------------------------------------------------------------------------------- stand-in packages
# Everything below, up to "what an action says", runs only in the subprocess.

# Loaded for real: small, and needed as themselves.
REAL = {"typing_extensions", "packaging"}
# Not there at all: their presence would make vLLM think of another platform than CUDA.
ABSENT = {
    *("amdsmi", "habana_frameworks", "intel_extension_for_pytorch", "ipex_llm", "libneuronxla", "libtpu"),
    *("neuronx_distributed_inference", "neuronxcc", "openvino", "torch_neuronx", "torch_xla"),
    *("tpu_commons", "tpu_inference", "transformers_neuronx"),
}
VERSION = "99.0.0"  # of every stand-in, so that no "too old" branch is taken


class StandInMeta(abc.ABCMeta):
    """Makes classes that survive what code does with a package at import time.

    A stand-in is a class, so that it works as a base class and in type hints. Any attribute, item,
    call or sum is a stand-in again, except that calling it with one function or class returns that
    (a decorator). As a condition it is false.
    """

    def __new__(mcs, name: str, bases: tuple[type, ...], body: dict[str, Any], **_: Any) -> Any:
        """Make a class; keywords in its head are for the package that is not here."""
        return super().__new__(mcs, name, bases, body)

    def __init__(cls, name: str, bases: tuple[type, ...], body: dict[str, Any], **_: Any) -> None:
        super().__init__(name, bases, body)

    def __getattr__(cls, name: str) -> Any:
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(name)
        made = stand_in(name)
        setattr(cls, name, made)
        return made

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        """Return what is decorated, or the stand-in again."""
        if not is_stand_in(cls):  # a real class that was derived from one
            return super().__call__(*args, **kwargs)
        decorated = len(args) == 1 and not kwargs and (inspect.isfunction(args[0]) or inspect.isclass(args[0]))
        return args[0] if decorated and not is_stand_in(args[0]) else cls

    def __getitem__(cls, _: Any) -> Any:
        return cls

    def __iter__(cls) -> Any:
        return iter(())

    def __len__(cls) -> int:
        return 0

    def __bool__(cls) -> bool:
        return not is_stand_in(cls)

    def __contains__(cls, _: Any) -> bool:
        return False

    def __enter__(cls) -> Any:
        return cls

    def __exit__(cls, *_: object) -> None:
        return None

    def register(cls, *_: Any, **__: Any) -> Any:
        """Stand in for ``AutoConfig.register`` and the like, not for that of abstract classes."""
        return cls

    def _same(cls, *_: Any, **__: Any) -> Any:
        return cls

    def _false(cls, _: Any) -> bool:
        return False

    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = _same
    __floordiv__ = __rfloordiv__ = __mod__ = __pow__ = __rpow__ = __neg__ = __and__ = _same
    __lt__ = __le__ = __gt__ = __ge__ = _false


class StandInBase(metaclass=StandInMeta):
    """What classes derived from a stand-in inherit."""

    def __init__(self, *_: Any, **__: Any) -> None: ...

    def __init_subclass__(cls, **_: Any) -> None: ...

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(name)
        return stand_in(name)


def stand_in(name: str) -> Any:
    """Return a new stand-in."""
    return StandInMeta(name, (StandInBase,), {"_pure_": True, "__module__": "stand_in"})


def is_stand_in(thing: Any) -> bool:
    """Say whether THING is a stand-in itself, not a real class derived from one."""
    return isinstance(thing, StandInMeta) and "_pure_" in thing.__dict__


class StandInModule(types.ModuleType):
    """A module that has every attribute."""

    __all__: ClassVar[list[str]] = []
    __version__ = VERSION
    __file__ = "stand-in.py"

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(name)
        made = stand_in(name)
        setattr(self, name, made)
        return made


class RealOrStandIn(importlib.machinery.SourceFileLoader):
    """Loads a vLLM module; when its code fails, the names it did not reach become stand-ins."""

    failures: ClassVar[dict[str, str]] = {}

    def exec_module(self, module: types.ModuleType) -> None:
        """Run the module's code."""
        try:
            super().exec_module(module)
        except Exception as error:  # noqa: BLE001  whatever the code did with a stand-in
            self.failures[module.__name__] = f"{type(error).__name__}: {error}"
            module.__class__ = StandInModule


class Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds vLLM's modules in the tree, the standard library where it is, and makes up the rest."""

    def __init__(self, tree: Path) -> None:
        self.tree = tree
        self.made = {"pydantic": make_pydantic, "pynvml": make_pynvml, "vllm.third_party.pynvml": make_pynvml}

    def find_spec(self, name: str, *_: Any) -> Any:
        """Say how NAME is to be loaded."""
        top = name.partition(".")[0]
        if top in sys.stdlib_module_names or top in REAL:
            return None
        if top in ABSENT:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        file = self.tree / Path(*name.split("."))
        if top == "vllm" and name != "vllm" and name not in self.made:
            for place in (file / "__init__.py", file.with_suffix(".py")):
                if place.exists():
                    loader = RealOrStandIn(name, str(place))
                    return importlib.util.spec_from_file_location(name, place, loader=loader)
        return importlib.machinery.ModuleSpec(name, self, is_package=True)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType:
        """Make the stand-in."""
        module = self.made.get(spec.name, StandInModule)(spec.name)
        if spec.name == "regex":
            module.__dict__.update({key: value for key, value in vars(re).items() if key[:2] != "__"})
        return module

    def exec_module(self, module: types.ModuleType) -> None:
        """Run nothing."""


def make_pynvml(name: str) -> types.ModuleType:
    """Make the management library of a machine with one NVIDIA GPU."""
    module = StandInModule(name)
    module.nvmlDeviceGetCount = lambda: 1  # type: ignore[attr-defined]
    module.NVMLError = type("NVMLError", (Exception,), {})  # type: ignore[attr-defined]
    return module


class FieldInfo:
    """pydantic's description of a field, as far as default values go."""

    def __init__(self, default: Any = dataclasses.MISSING, **more: Any) -> None:
        self.default_factory = more.get("default_factory")
        self.default = default
        self.init = more.get("init")

    def value(self) -> Any:
        """Return the default value itself."""
        return self.default_factory() if self.default_factory else self.default


def _fill_in(own: Any) -> Any:
    """Wrap a config's ``__post_init__``: default values first, then its own checks, as far as they go."""

    def fill_in(self: Any, *arguments: Any) -> None:
        for field in dataclasses.fields(self):
            if isinstance(value := getattr(self, field.name, None), FieldInfo):
                object.__setattr__(self, field.name, value.value())
        if own is not None:
            with contextlib.suppress(Exception):
                own(self, *arguments)

    return fill_in


def make_pydantic(name: str) -> types.ModuleType:
    """Make a pydantic whose dataclasses are plain ones and whose JSON goes unchecked."""

    def dataclass(cls: Any = None, **kwargs: Any) -> Any:
        if cls is None:
            return lambda cls: dataclass(cls, **kwargs)
        known = {"init", "repr", "eq", "order", "unsafe_hash", "frozen", "kw_only", "slots"}
        cls.__post_init__ = _fill_in(cls.__dict__.get("__post_init__"))
        return dataclasses.dataclass(cls, **{key: value for key, value in kwargs.items() if key in known})

    class Transparent:
        def __class_getitem__(cls, item: Any) -> Any:
            return item

    class TypeAdapter(StandInBase):
        def __init__(self, *_: Any, **__: Any) -> None: ...

        def validate_json(self, text: str, **_: Any) -> Any:
            return json.loads(text)

    class BaseModel(StandInBase):
        @classmethod
        def model_validate_json(cls, text: str, **_: Any) -> Any:
            return json.loads(text)

    module, classes, fields = (StandInModule(name + end) for end in ("", ".dataclasses", ".fields"))
    facts = {
        "Field": FieldInfo, "FieldInfo": FieldInfo, "SkipValidation": Transparent, "InstanceOf": Transparent,
        "ConfigDict": dict, "TypeAdapter": TypeAdapter, "BaseModel": BaseModel,
        "ValidationError": type("ValidationError", (ValueError,), {}),
    }  # fmt: skip
    module.__dict__.update(facts, dataclasses=classes, fields=fields)
    classes.__dict__.update(facts, dataclass=dataclass)
    fields.__dict__.update(facts)
    sys.modules.update({f"{name}.dataclasses": classes, f"{name}.fields": fields})
    return module


# ------------------------------------------------------------------------------ the release's parser


class ParserBuilt(Exception):  # noqa: N818 - not an error
    """Carries the parser out of vLLM's own main function."""


def build_parser(tree: Path, release: str) -> tuple[Any, list[str]]:
    """Build the parser of ``vllm serve``; return it and the files that add its options."""
    sys.meta_path.insert(0, Finder(tree))
    importlib.metadata.version = lambda _: VERSION  # type: ignore[assignment]
    sys.argv = ["vllm", "--helped"]  # "--help" in it: help texts, where deprecations are told, are built
    package: Any = importlib.import_module("vllm")
    package.__path__ = [str(tree / "vllm")]
    package.__version__ = release
    importlib.import_module("pynvml")  # 0.7.2 looks for it among the modules that are loaded
    if not importlib.import_module("vllm.platforms").current_platform.is_cuda():
        raise SystemExit("vLLM does not take this machine for one with a CUDA GPU")
    name = "entrypoints.cli.serve" if (tree / "vllm/entrypoints/cli/serve.py").exists() else "scripts"
    entry: Any = importlib.import_module(f"vllm.{name}")
    serve = _from_subcommand(entry) if hasattr(entry, "cmd_init") else _from_main(entry)
    modules = {entry.__name__, entry.make_arg_parser.__module__, "vllm.engine.arg_utils"}
    if failed := modules & set(RealOrStandIn.failures):
        raise SystemExit(
            f"cannot be run: {', '.join(f'{module}: {RealOrStandIn.failures[module]}' for module in failed)}"
        )
    return serve, sorted(module.removeprefix("vllm.").replace(".", "/") + ".py" for module in modules)


def _from_subcommand(serve: Any) -> Any:
    subparsers = serve.FlexibleArgumentParser(prog="vllm").add_subparsers(dest="subparser")
    for command in serve.cmd_init():
        command.subparser_init(subparsers)
    return subparsers.choices["serve"]


def _from_main(scripts: Any) -> Any:
    def parse_args(self: Any, *_: Any, **__: Any) -> Any:
        raise ParserBuilt(self)

    scripts.FlexibleArgumentParser.parse_args = parse_args
    try:
        scripts.main()
    except ParserBuilt as built:
        (subparsers,) = (action for action in built.args[0]._actions if hasattr(action.choices, "keys"))
        return subparsers.choices["serve"]
    raise SystemExit("vllm.scripts.main() parsed no arguments")


# --------------------------------------------------------------------------- what an action says


def describe_options(parser: Any) -> dict[str, dict[str, Any]]:
    """Return the options of PARSER by name, without the positional one and ``--help``."""
    names = collections.defaultdict(list)
    for text, action in parser._option_string_actions.items():
        names[action].append(text)
    marked: set[argparse.Action] = getattr(parser, "_deprecated", set())
    options = {}
    for action, texts in names.items():
        if isinstance(action, argparse._HelpAction):
            continue
        entry = describe(action, texts)
        if action in marked or says_deprecated(action):
            entry["deprecated"] = True
        key = entry.pop("name")
        options[key] = {
            field: value for field, value in entry.items() if value not in (False, []) or field == "default"
        }
    return options


def describe(action: argparse.Action, texts: list[str]) -> dict[str, Any]:
    """Return one action's entry, with its ``name``."""
    long = [text[2:].replace("_", "-") for text in texts if text.startswith("--")]
    short = [text for text in texts if not text.startswith("--")]
    negatable = isinstance(action, argparse.BooleanOptionalAction)
    negative = [text[2:] for text in getattr(action, "negative_option_strings", [])]
    negative += [name for name in long if negatable and name.startswith("no-") and name[3:] in long]
    positive = list(dict.fromkeys(name for name in long if name not in negative))
    entry: dict[str, Any] = {"name": positive[0], "aliases": sorted(short) + sorted(positive[1:])}
    if negatable:
        inverse = sorted({name for name in negative if name[3:] not in positive})
        return (
            entry
            | {"type": "bool", "negatable": True, "inverse": inverse[0] if inverse else False}
            | default_of(action)
        )
    if action.nargs == 0:
        return entry | {"type": "bool", "flag": True} | default_of(action)
    entry |= {"nargs": action.nargs or False, "append": isinstance(action, argparse._AppendAction)}
    entry |= describe_values(action) | default_of(action)
    return entry


THOUSAND = 1000  # what 1k means
SAMPLES = ("w", "1", "1.5", "1k", "{}", '{"a": 1k}', "[]", "a=1", "None", "auto", "True")


def describe_values(action: argparse.Action) -> dict[str, Any]:
    """Return what one value of ACTION may be, by asking its converter."""
    reads = {text: _convert(action, text) for text in SAMPLES}
    choices = list(action.choices) if action.choices is not None else []
    if any(is_stand_in(choice) for choice in choices):
        raise SystemExit(f"{action.option_strings}: the choices are not known without the packages that vLLM imports")
    # Some releases list the text None, which their converter turns into a value that is not listed.
    words = [choice for choice in choices if choice is not None and _convert(action, str(choice)) in choices]
    entry: dict[str, Any] = {"type": _type_of(action, reads)}
    if words:
        entry["type"] = _type_of_choices(words, entry["type"])
        entry["choices"] = sorted({_plain(word) for word in words}, key=lambda word: (isinstance(word, str), word))
    is_map = _is_object(reads["{}"])
    entry["json"] = is_map and entry["type"] != "bool" and not isinstance(action.default, list)
    entry["human"] = reads["1k"] == THOUSAND or reads['{"a": 1k}'] == {"a": THOUSAND}
    entry["auto"] = entry["type"] == "int" and isinstance(reads["auto"], int) and not words
    entry["optional"] = reads["None"] is None and (not choices or None in choices)
    return entry


WRONG = object()  # the converter refused


def _convert(action: argparse.Action, text: str) -> Any:
    convert: Any = action.type or str
    try:
        return convert(text)
    except Exception:  # noqa: BLE001  any refusal
        return WRONG


def _is_object(value: Any) -> bool:
    return value is not WRONG and not isinstance(value, (str, int, float, list, type(None)))


def _type_of(action: argparse.Action, reads: dict[str, Any]) -> str:
    if type(action).__name__ == "StoreBoolean" or isinstance(reads["True"], bool):
        return "bool"
    if reads["a=1"] == {"a": 1}:
        return "pairs"
    if reads["w"] is not WRONG:
        return "str"
    if _is_object(reads["1"]):
        return "int"
    if reads["1"] is not WRONG and reads["{}"] is WRONG:
        return "int" if reads["1.5"] is WRONG or isinstance(reads["1.5"], int) else "float"
    return "json" if reads["{}"] is not WRONG else "str"


def _type_of_choices(words: list[Any], otherwise: str) -> str:
    kinds = {type(_plain(word)) for word in words}
    return {(int,): "int", (str,): "str", (float,): "float"}.get(tuple(kinds), otherwise)  # type: ignore[arg-type]


def default_of(action: argparse.Action) -> dict[str, Any]:
    """Return ``{"default": value}``, or nothing when the value has no JSON form."""
    value = action.default
    if isinstance(value, FieldInfo):
        value = value.value()
    value = _plain(value)
    if value == argparse.SUPPRESS or value is dataclasses.MISSING:
        return {}
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError):
        return {}
    return {"default": value}


def _plain(value: Any) -> Any:
    if isinstance(value, enum.Enum):
        return value.value if isinstance(value.value, (str, int)) else value.name
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    return list(value) if isinstance(value, tuple) else value


def says_deprecated(action: argparse.Action) -> bool:
    """Say whether the option's own help text or class calls it deprecated."""
    text = action.help or ""
    name = re.escape(action.option_strings[0])
    start = re.match(rf"\W*deprecated\b|(this (\w+ )?|{name} )(is|has been) deprecated", text, re.IGNORECASE)
    inside = re.search(r"DEPRECATED\b|^Deprecated:|^This parameter is deprecated", text, re.MULTILINE)
    return bool(start or inside) or "Deprecated" in type(action).__name__


# ----------------------------------------------------------------------------------------- commands


def dump(tree: Path, release: str, *, verbose: bool) -> None:
    """Print the table of the release under TREE as JSON (in the subprocess)."""
    answer, sys.stdout = sys.stdout, sys.stderr
    parser, files = build_parser(tree, release)
    table = {"files": files, "options": describe_options(parser)}
    if verbose:
        for name, why in sorted(RealOrStandIn.failures.items()):
            print(f"stand-in for {name}: {why}")
    json.dump(table, answer)
    answer.flush()
    os._exit(0)  # what vLLM registered for the end of the process is of no use


def ask(release: str, tree: Path, seed: int, *, verbose: bool) -> dict[str, Any]:
    """Run ``--dump`` in a process of its own, with nothing of this one's environment."""
    command = [sys.executable, __file__, release, str(tree), "--dump", *["-v"] * verbose]
    with tempfile.TemporaryDirectory() as home:
        clean = {"PATH": os.environ["PATH"], "HOME": home, "LC_ALL": "C.UTF-8", "PYTHONDONTWRITEBYTECODE": "1"}
        clean["PYTHONHASHSEED"] = str(seed)
        stderr = None if verbose or not seed else subprocess.DEVNULL
        result = subprocess.run(command, stdout=subprocess.PIPE, stderr=stderr, env=clean, cwd=home, check=False)
    if result.returncode:
        raise SystemExit(f"vllm {release}: the parser could not be built")
    return json.loads(result.stdout)  # type: ignore[no-any-return]


def agree(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Return what all runs say.

    vLLM 0.8.5 picks one of two lists of choices by the order of a set, which differs from process
    to process; what every process accepts is kept. Any other difference is an error.
    """
    options = runs[0]
    for name, entry in options.items():
        others = [run.get(name, {}) for run in runs]
        if any("choices" in other for other in others):
            entry["choices"] = [word for word in entry["choices"] if all(word in other["choices"] for other in others)]
        if any(other | {"choices": 0} != entry | {"choices": 0} for other in others):
            raise SystemExit(f"--{name}: {others}")
    return options


def write(release: str, table: dict[str, Any], folder: Path) -> Path:
    """Write the release's file, one option a line."""
    options = table.pop("options")
    lines = [f"  {json.dumps(name)}: {json.dumps(options[name], sort_keys=True)}" for name in sorted(options)]
    head = "".join(f" {json.dumps(key)}: {json.dumps(value)},\n" for key, value in table.items())
    file = folder / f"{release}.json"
    file.write_text("{\n" + head + ' "options": {\n' + ",\n".join(lines) + "\n }\n}\n", encoding="utf-8")
    return file


def main() -> None:
    """Parse the command line and do it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("release")
    parser.add_argument("source")
    parser.add_argument("--date", help="release day; otherwise the day the distribution was built")
    parser.add_argument("--out", type=Path, default=ENGINES)
    parser.add_argument("-v", "--verbose", action="store_true", help="list the vLLM modules that did not load")
    parser.add_argument("--dump", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.dump:
        dump(Path(args.source), args.release, verbose=args.verbose)
    with tempfile.TemporaryDirectory() as scratch:
        tree, kind, built = unpack(args.source, Path(scratch))
        runs = [ask(args.release, tree.resolve(), seed, verbose=args.verbose and not seed) for seed in range(4)]
    found = runs[0] | {"options": agree([run["options"] for run in runs])}
    source = f"vllm {args.release} {kind}: {', '.join(found['files'])}"
    date = args.date or built
    table = (
        {"release": args.release} | ({"date": date} if date else {}) | {"source": source, "options": found["options"]}
    )
    file = write(args.release, table, args.out)
    print(f"{file}: {len(found['options'])} options")


if __name__ == "__main__":
    main()
