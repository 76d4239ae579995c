"""The keys of a JSON option and the types of their values, as the config class behind it checks them.

What pydantic takes from JSON where it is not strict (vLLM 0.16.0 to 0.33.0, config/utils.py, ``config``): "3" and 3.0
for a whole number, 0 and "off" for false. Items of lists are checked where they are numbers or texts.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from llmtune.spec.engine import Option

LIMIT = re.compile(r"(>=|<=|!=|>|<)(-?[\d.]+)")
FALSE = frozenset({"0", "off", "f", "false", "n", "no"})
TRUTHS = FALSE | {"1", "on", "t", "true", "y", "yes"}
MOST_SHOWN = 8  # keys or types that a message lists
NAMED = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "str": "a text in quotes",
    "dict": "an object",
    "none": "null",
}


class Together(NamedTuple):
    """A key that is refused, with any value or one of ``values``, unless another key has one of ``wanted`` (any).

    ``default`` is the value that counts as none; with False every spelling of it does. ``kind`` is a type of the key
    that only releases with this check have.
    """

    flag: str
    key: str
    other: str
    words: str
    values: tuple[str, ...] = ()
    wanted: tuple[str | bool, ...] = ()
    default: str | bool | None = None
    kind: str = ""


# Keys of one profiler with the default that does not ask for it.
PROFILERS: tuple[tuple[str, str, str | bool | None], ...] = (
    ("torch_profiler_dir", "torch", ""),
    ("torch_profiler_activities", "torch", None),
    ("capture_torch_profiler", "torch", False),
    ("proton_profiler_dir", "proton", ""),
    ("proton_context", "proton", "shadow"),
    ("proton_data", "proton", "tree"),
    ("proton_graph_attribution", "proton", False),
    ("proton_backend", "proton", None),
    ("proton_mode", "proton", None),
    ("proton_hook", "proton", None),
    ("proton_output_format", "proton", None),
)
# vLLM 0.33.0: validators of the classes in config/kv_transfer.py, ec_transfer.py, structured_outputs.py, profiler.py,
# parallel.py (EPLBConfig).
TOGETHER = (
    Together("kv-transfer-config", "kv_connector", "kv_role", '"kv_role": "kv_both" (or "kv_producer", "kv_consumer")'),
    Together("ec-transfer-config", "ec_connector", "ec_role", '"ec_role"'),
    Together(
        "structured-outputs-config",
        "disable_any_whitespace",
        "backend",
        '"backend": "xgrammar" (or "guidance")',
        wanted=("xgrammar", "guidance"),
        default=False,
    ),
    Together(
        "structured-outputs-config",
        "disable_additional_properties",
        "backend",
        '"backend": "guidance"',
        wanted=("guidance",),
        default=False,
    ),
    *(
        Together("profiler-config", key, "profiler", f'"profiler": "{name}"', wanted=(name,), default=default)
        for key, name, default in PROFILERS
    ),
    Together("profiler-config", "profiler", "proton_profiler_dir", '"proton_profiler_dir"', values=("proton",)),
    Together("profiler-config", "profiler", "torch_profiler_dir", '"torch_profiler_dir"', values=("torch",)),
    Together(
        "eplb-config",
        "communicator",
        "use_async",
        '"use_async": false',
        values=("torch_nccl", "pynccl"),
        wanted=(False,),
        kind="=torch_xccl",
    ),
)


def mistake(option: Option, value: Mapping[str, Any]) -> tuple[str, str, str, str | None] | None:
    """The first mistake in a JSON object: its name, the message, the key, and what the key should be; None if right.

    >>> from llmtune.spec.engine import Option
    >>> mistake(Option("a", "json", keys={"mode": ("int",)}), {"mod": 3})
    ('unknown-json-key', "has no key 'mod'; did you mean 'mode'?", 'mod', 'mode')
    """
    if not option.keys:
        return None
    found = _inside(option.keys, "", value)
    return found or _apart(option, value)


def takes(types: tuple[str, ...], value: Any) -> bool:
    """Whether one of the types takes a value.

    >>> takes(("int>=1",), 0), takes(("=#2", "none"), None), takes(("~FULL",), "full")
    (False, True, True)
    """
    return any(_takes(kind, value) for kind in types)


def _inside(keys: Mapping[str, tuple[str, ...]], prefix: str, value: Any) -> tuple[str, str, str, str | None] | None:
    known = [key[len(prefix) :] for key in keys if key.startswith(prefix) and "." not in key[len(prefix) :]]
    for key, item in value.items():
        types = keys.get(prefix + key)
        if types is None or "." in key:
            better = _closest(key, known)
            hint = f"did you mean {better!r}?" if better else f"it takes {_listed(known)}"
            return "unknown-json-key", f"has no key {prefix + key!r}; {hint}", key, better
        if isinstance(item, dict) and any(kind.startswith("@") for kind in types):
            inner = _inside(keys, f"{prefix}{key}.", item)
            if inner:
                return inner
        elif not takes(types, item):
            return _wrong(prefix + key, key, types, item)
    return None


def _wrong(path: str, key: str, types: tuple[str, ...], item: Any) -> tuple[str, str, str, str | None]:
    written = json.dumps(item, ensure_ascii=False)
    written = written if len(written) <= len(path) + 40 else f"{written[: len(path) + 40]}..."
    return "invalid-json-argument", f"{path!r} is {written}, but takes {wanted(types)}", key, None


def _apart(option: Option, value: Mapping[str, Any]) -> tuple[str, str, str, str | None] | None:
    for rule in TOGETHER:
        types = option.keys.get(rule.key)
        if rule.flag != option.flag or types is None or (rule.kind and rule.kind not in types):
            continue
        given, other = value.get(rule.key), value.get(rule.other)
        if given is None or _same(given, rule.default) or (rule.values and given not in rule.values):
            continue
        if other in (None, "") or (rule.wanted and not any(_same(other, wanted) for wanted in rule.wanted)):
            return "invalid-json-argument", f"{rule.key!r} is refused without {rule.words}", rule.key, None
    return None


def _same(one: Any, other: Any) -> bool:
    """Whether a value is another one; false has many spellings."""
    if other is False:
        return not one or (isinstance(one, str) and one.lower() in FALSE)
    return bool(one == other)


def _takes(kind: str, value: Any) -> bool:  # noqa: PLR0911 - one line a type
    name = re.split(r"[<>!]", kind)[0]
    if kind == "any" or kind.startswith("@"):
        return kind == "any" or isinstance(value, dict)
    if kind == "none":
        return value is None
    if kind.startswith("=#"):
        return not isinstance(value, bool) and value == int(kind[2:])
    if kind.startswith("~#"):
        return not isinstance(value, str) and bool(value == int(kind[2:]))
    if kind.startswith("="):
        return bool(value == kind[1:])
    if kind[0] in "~%":
        return isinstance(value, str) and _folded(value, kind[0]) == _folded(kind[1:], kind[0])
    if name in {"int", "float"}:
        return _is_number(name, value) and all(_within(value, *limit) for limit in LIMIT.findall(kind))
    if kind.startswith("list"):
        item = kind.partition(":")[2]
        return isinstance(value, list) and (not item or all(_takes(item, one) for one in value))
    if kind == "bool":
        return isinstance(value, bool) or value in (0, 1) or (isinstance(value, str) and value.lower() in TRUTHS)
    return isinstance(value, {"str": str, "dict": dict}[kind])


def _is_number(name: str, value: Any) -> bool:
    if isinstance(value, bool):
        return True
    try:
        number = float(value) if isinstance(value, int | float | str) else None
    except (ValueError, OverflowError):
        return False
    return number is not None and (name == "float" or number.is_integer())


def _within(value: Any, sign: str, limit: str) -> bool:
    number, bound = float(value), float(limit)
    checks = {">=": number >= bound, "<=": number <= bound, "!=": number != bound, ">": number > bound}
    return checks.get(sign, number < bound)


def _folded(text: str, how: str) -> str:
    return text.lower().replace("-", "_") if how == "%" else text.lower()


def wanted(types: tuple[str, ...]) -> str:
    """What types take, in words."""
    shown = [_name(kind) for kind in types]
    if len(shown) > MOST_SHOWN:
        return f"{', '.join(shown[:MOST_SHOWN])}, ..."
    return f"{', '.join(shown[:-1])} or {shown[-1]}" if len(shown) > 1 else shown[0]


def _name(kind: str) -> str:
    if kind[0] in "=~%":
        return kind[1:].removeprefix("#")
    limits = [f"{'other than' if sign == '!=' else sign} {limit}" for sign, limit in LIMIT.findall(kind)]
    name = re.split(r"[<>!:]", kind)[0]
    if name == "list":
        return "a list" + {"int": " of whole numbers", "str": " of texts"}.get(kind.partition(":")[2], "")
    return " ".join([NAMED.get(name, "an object"), *limits])


def _listed(known: list[str]) -> str:
    return ", ".join(sorted(known)[:MOST_SHOWN]) + (", ..." if len(known) > MOST_SHOWN else "")


def _closest(key: str, known: list[str]) -> str | None:
    from difflib import get_close_matches  # noqa: PLC0415 - only an error needs it

    close = get_close_matches(key, known, n=1, cutoff=0.75)
    return close[0] if close else None
