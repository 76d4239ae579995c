"""One text on the command line to the value that an option makes of it.

The rules are those of the parser of vLLM 0.33.0 (utils/argparse_utils.py, engine/arg_utils.py), told apart by what an
option table says: type, choices, optional, human, json, auto.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from llmtune.spec.deployment import Value
    from llmtune.spec.engine import Option

THOUSANDS = {"k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}
BINARY = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
HUMAN = re.compile(r"(\d+)(\.\d+)?([kKmMgGtT])")
BARE_HUMAN = re.compile(r"\b\d+(?:\.\d+)?[kKmMgGtT]\b")
QUOTED = re.compile(r'("(?:[^"\\]|\\.)*")')
OBJECT = re.compile(r"\s*\{.*\}\s*", re.DOTALL)
# Options whose converter folds case and dashes before the choices are looked at.
FOLDED = frozenset({"moe-backend", "linear-backend", "sparse-indexer-topk-backend"})
SHOWN = 60  # characters of a wrong value in a message


class BadValue(ValueError):  # noqa: N818 - it names what is wrong, as the message does
    """A text that an option does not take; ``name`` is the mistake in kebab-case."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(message)
        self.name = name


def convert(option: Option, text: str) -> Value:
    """The value of one text.

    Raises:
        BadValue: when the option does not take it.

    """
    if option.optional and text in {"", "None"}:
        return None
    try:
        value = _typed(option, text)
    except BadValue:
        if "$" in text and option.type != "str":
            raise BadValue("literal-variable", f"{_shown(text)} is a variable; put its value there") from None
        raise
    if option.flag == "lora-modules":
        _check_adapter(text)
    return _chosen(option, value)


def is_list(option: Option) -> bool:
    """Whether an option takes several values at once."""
    return option.type == "list" or option.nargs not in {None, "?"}


def human_int(text: str) -> int:
    """A whole number with an optional suffix: k, m, g, t count in thousands and K, M, G, T in 1024.

    >>> human_int("25.6k"), human_int("32K"), human_int("8192")
    (25600, 32768, 8192)

    Raises:
        ValueError: for anything else, decimals before a binary suffix included.

    """
    match = HUMAN.fullmatch(text.strip())
    if match is None:
        return int(text)
    number, decimals, suffix = match.groups(default="")
    if suffix.isupper():
        if decimals:
            raise ValueError(f"{text.strip()!r} has decimals before a binary suffix; write {text.strip().lower()}")
        return int(number) * BINARY[suffix]
    return int(float(number + decimals) * THOUSANDS[suffix])


def loose(text: str) -> Value:
    """The value of a dotted sub-key: JSON, else a number with a suffix, else the text itself.

    >>> loose("3"), loose("80g"), loose("eagle")
    (3, 80000000000, 'eagle')
    """
    try:
        value: Value = json.loads(text)
    except (json.JSONDecodeError, RecursionError):
        try:
            return human_int(text)
        except ValueError:
            return text
    return value


def _typed(option: Option, text: str) -> Value:
    if option.json and option.type != "json" and OBJECT.fullmatch(text):
        return _json(option, text)
    converters: dict[str, Callable[[Option, str], Value]] = {
        "int": _int,
        "float": _float,
        "json": _json,
        "pairs": _pairs,
        "bool": _bool,
    }
    converter = converters.get(option.type)
    return converter(option, text) if converter else text


def _int(option: Option, text: str) -> int:
    if option.auto and text.strip().lower() in {"auto", "-1"}:
        return -1
    try:
        return human_int(text) if option.human else int(text)
    except ValueError as error:
        decimals = "binary suffix" in str(error)
        example = "32768, 32k (32000) or 32K (32768)" if option.human else "digits only"
        message = str(error) if decimals else f"{_shown(text)} is not a whole number; write {example}"
        raise BadValue("invalid-number", message) from error


def _float(_: Option, text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise BadValue("invalid-number", f"{_shown(text)} is not a number; write one like 0.9") from error


def _bool(_: Option, text: str) -> bool:
    if text.lower() not in {"true", "false"}:
        raise BadValue("invalid-choice", f"{_shown(text)} is neither true nor false")
    return text.lower() == "true"


def _json(option: Option, text: str) -> Value:
    if option.human:
        text = expand_suffixes(text)
    try:
        value: Value = json.loads(text)
    except (ValueError, RecursionError) as error:
        where = f" ({error.msg} at character {error.colno})" if isinstance(error, json.JSONDecodeError) else ""
        raise BadValue("invalid-json-argument", f"not valid JSON{where}; {_json_advice(option)}") from error
    if option.json and not isinstance(value, dict):
        raise BadValue("invalid-json-argument", f"the JSON is no object; {_json_advice(option)}")
    return value


def _json_advice(option: Option) -> str:
    if not option.json:
        return "write for example '[\"a\"]', quoted for the shell"
    return f"""write '{{"key": "value"}}', quoted for the shell, or --{option.flag}.key value"""


def expand_suffixes(text: str) -> str:
    """JSON with every bare ``80g`` written out; quoted strings stay as they are."""

    def number(match: re.Match[str]) -> str:
        try:
            return str(human_int(match.group()))
        except ValueError as error:
            raise BadValue("invalid-number", str(error)) from error

    parts = QUOTED.split(text)
    return "".join(part if index % 2 else BARE_HUMAN.sub(number, part) for index, part in enumerate(parts))


def _pairs(_: Option, text: str) -> dict[str, Value]:
    pairs: dict[str, Value] = {}
    for item in text.split(","):
        key, equals, count = (part.strip() for part in item.partition("="))
        if not equals or not count.isdecimal():
            raise BadValue("invalid-json-argument", f"{_shown(text)} is no list of name=number; write image=4,video=1")
        pairs[key] = int(count)
    return pairs


def _check_adapter(text: str) -> None:
    """Refuse what is neither ``name=path`` nor a JSON object with both."""
    if not text or ("=" in text and "," not in text):
        return
    try:
        adapter = json.loads(text)
    except (ValueError, RecursionError):
        adapter = None
    if not isinstance(adapter, dict) or not {"name", "path"} <= set(adapter):
        example = """name=path or '{"name": "a", "path": "org/a"}'"""
        raise BadValue("invalid-json-argument", f"{_shown(text)} is no adapter; write {example}")


def _chosen(option: Option, value: Any) -> Value:
    """The value if it is among the choices."""
    if option.flag in FOLDED and isinstance(value, str):
        value = value.lower().replace("-", "_")
    if not option.choices or str(value) in option.choices:
        chosen: Value = value
        return chosen
    shown = ", ".join(option.choices[:12]) + (", ..." if len(option.choices) > 12 else "")  # noqa: PLR2004 - one line
    raise BadValue("invalid-choice", f"{_shown(str(value))} is not among {_closest(str(value), option.choices)}{shown}")


def _closest(text: str, choices: tuple[str, ...]) -> str:
    from difflib import get_close_matches  # noqa: PLC0415 - only an error needs it

    close = get_close_matches(text, choices, n=1, cutoff=0.5)
    return f"the choices (did you mean {close[0]}?): " if close else "the choices: "


def _shown(text: str) -> str:
    """A value as a message shows it: short, on one line."""
    return repr(text if len(text) <= SHOWN else f"{text[:SHOWN]}...")
