"""One text on the command line to the value that an option makes of it.

The rules are those of the parser of vLLM 0.33.0 (utils/argparse_utils.py, engine/arg_utils.py), told apart by what an
option table says: type, choices, optional, human, json, auto.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from llmtune.readers import json_keys
from llmtune.readers.numbers import counted, expand_suffixes, human_int, number, whole
from llmtune.readers.secrets import redact_text, redact_value

if TYPE_CHECKING:
    from collections.abc import Callable

    from llmtune.spec.deployment import Value
    from llmtune.spec.engine import Option

PAIRS = re.compile(r"\w{1,32}=\d{1,9}(,\w{1,32}=\d{1,9}){0,9}")
LONGEST_HINT = 120  # characters of a JSON text that a message writes anew
OBJECT = re.compile(r"\s*\{.*\}\s*", re.DOTALL)
# Options whose converter folds case and dashes before the choices are looked at.
FOLDED = frozenset({"moe-backend", "linear-backend", "sparse-indexer-topk-backend"})
SAME = {
    "fp16": "float16",
    "f16": "float16",
    "bf16": "bfloat16",
    "fp32": "float32",
    "f32": "float32",
    "fp8_e4m3fn": "fp8_e4m3",
}
IMPORTED = frozenset({"distributed-executor-backend"})  # a class by its path is as good as a name
# A mapping that nothing looks at before the first request (vLLM 0.33.0, entrypoints/common/cli_args.py).
UNCHECKED = frozenset({"default-chat-template-kwargs"})
# Mappings that may be null, though their default is an empty one (config/model.py, ModelConfig; cli_args.py).
NULLABLE = frozenset({"limit-mm-per-prompt", "media-io-kwargs", "reasoning-effort-map"})
# Empty ones are not looked at without LoRA (config/vllm.py, VllmConfig).
IDLE = frozenset({"default-mm-loras"})
LARGEST = (1 << 63) - 1
SHOWN = 60  # characters of a wrong value in a message


class BadValue(ValueError):  # noqa: N818 - it names what is wrong, as the message does
    """A text that an option does not take; ``name`` is the mistake in kebab-case.

    ``part`` is the piece of the text that is wrong, where it is not the whole, and ``better`` what was meant instead of
    it; ``sure``: nothing else can have been meant. ``late`` is the value of a text that the parser takes and the
    engine refuses later, when it checks its configuration.
    """

    def __init__(
        self,
        name: str,
        message: str,
        better: str | None = None,
        *,
        part: str = "",
        sure: bool = False,
        late: Value = None,
    ) -> None:
        super().__init__(message)
        self.late = late
        self.name = name
        self.better = better
        self.part = part
        self.sure = sure


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
        if "$" in text and option.type != "str" and not option.json:
            raise BadValue("literal-variable", f"{_shown(text)} is a variable; put its value there") from None
        raise
    if option.flag == "lora-modules":
        _check_adapter(text)
    if option.json and isinstance(value, dict):
        _check_keys(option, value)
    return _chosen(option, value)


def is_list(option: Option) -> bool:
    """Whether an option takes several values at once."""
    return option.type == "list" or option.nargs not in {None, "?"}


def loose(text: str) -> Value:
    """The value of a dotted sub-key: JSON, else a number with a suffix, else the text itself.

    >>> loose("3"), loose("80g"), loose("eagle")
    (3, 80000000000, 'eagle')
    """
    try:
        value: Value = json.loads(text)
    except (ValueError, RecursionError):
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
        value = human_int(text) if option.human else int(text)
    except ValueError as error:
        if "binary suffix" in str(error):
            raise BadValue("invalid-number", str(error), text.strip().lower()) from error
        better = whole(text)
        example = better or ("32768, 32k (32000) or 32K (32768)" if option.human else "digits only")
        message = f"{_shown(text)} is not a whole number; write {example}"
        raise BadValue("invalid-number", message, better, sure=True) from error
    if abs(value) > LARGEST:
        raise BadValue("invalid-number", f"{_shown(text)} does not fit into 64 bits; write a smaller number")
    if option.flag == "max-model-len" and value < 1:
        raise BadValue("invalid-number", f"{_shown(text)} is no length; write a number of tokens", late=value)
    return value


def _float(_: Option, text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        better = number(text)
        message = f"{_shown(text)} is not a number; write {better or 'one like 0.9'}"
        raise BadValue("invalid-number", message, better, sure=True) from error


def _bool(_: Option, text: str) -> bool:
    if text.lower() not in {"true", "false"}:
        raise BadValue("invalid-choice", f"{_shown(text)} is neither true nor false")
    return text.lower() == "true"


def _json(option: Option, text: str) -> Value:
    try:
        value: Value = json.loads(expand_suffixes(text) if option.human else text)
    except (ValueError, RecursionError) as error:
        if "binary suffix" in str(error):
            raise BadValue("invalid-number", str(error)) from error
        meant = _meant(text) if option.json else None
        if meant is not None:
            shown = json.dumps(redact_value(option.flag, meant), ensure_ascii=False)
            message = f"{_shown(text)} is not JSON; write '{shown}'"
            raise BadValue("invalid-json-argument", message) from error
        where = f" ({error.msg} at character {error.colno})" if isinstance(error, json.JSONDecodeError) else ""
        raise BadValue("invalid-json-argument", f"not valid JSON{where}; {_json_advice(option)}") from error
    absent = option.optional and not option.human  # a config class takes no null
    nothing = (value is None and (absent or option.flag in NULLABLE)) or (not value and option.flag in IDLE)
    if option.json and option.flag not in UNCHECKED and not isinstance(value, dict) and not nothing:
        raise BadValue("invalid-json-argument", f"the JSON is no object; {_json_advice(option)}")
    return value


def _meant(text: str) -> Value:
    """What an object was meant to be that is written ``image=4,video=1``, as early releases had it, or with ``'``."""
    if PAIRS.fullmatch(text):
        return {name: int(count) for name, _, count in (pair.partition("=") for pair in text.split(","))}
    if not text.startswith("{") or '"' in text or len(text) > LONGEST_HINT:
        return None
    try:
        value: Value = json.loads(text.replace("'", '"'))
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _check_keys(option: Option, value: dict[str, Any]) -> None:
    """Refuse keys that the option does not have, and values that a key does not take."""
    wrong = json_keys.mistake(option, value)
    if wrong:
        name, message, key, better = wrong
        raise BadValue(name, message, better and f'"{better}"', part=f'"{key}"')


def _json_advice(option: Option) -> str:
    if not option.json:
        return "write for example '[\"a\"]', quoted for the shell"
    return f"""write '{{"key": "value"}}', quoted for the shell, or --{option.flag}.key value"""


def _pairs(_: Option, text: str) -> dict[str, Value]:
    pairs: dict[str, Value] = {}
    for item in text.split(","):
        key, equals, count = (part.strip() for part in item.partition("="))
        number = counted(count)
        if not equals or number is None:
            raise BadValue("invalid-json-argument", f"{_shown(text)} is no list of name=number; write image=4,video=1")
        pairs[key] = number
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
    """The value if it is among the choices, or what the config class behind the option takes."""
    if option.flag in FOLDED and isinstance(value, str):
        value = value.lower().replace("-", "_")
    late = () if option.flag in IMPORTED and "." in str(value) else option.keys.get("", ())
    chosen: Value = value
    if (late and json_keys.takes(late, value)) or (not late and not option.choices) or str(value) in option.choices:
        return chosen
    choices = option.choices or tuple(kind[1:].removeprefix("#") for kind in late if kind[0] in "=~%")
    if not choices:
        wanted = json_keys.wanted(late)
        raise BadValue("invalid-number", f"{_shown(str(value))} is refused; it takes {wanted}", late=chosen)
    better, sure = _closest(str(value), choices)
    shown = ", ".join(choices[:12]) + (", ..." if len(choices) > 12 else "")  # noqa: PLR2004 - one line
    hint = f" (did you mean {better}?)" if better else ""
    message = f"{_shown(str(value))} is not among the choices{hint}: {shown}"
    raise BadValue("invalid-choice", message, better, sure=sure)


def _closest(text: str, choices: tuple[str, ...]) -> tuple[str | None, bool]:
    """The choice that was meant, if one is near, and whether it is the same by another name.

    Of numbers it is the next larger one.

    >>> _closest("bf16", ("auto", "bfloat16")), _closest("48", ("16", "32", "64"))
    (('bfloat16', True), ('64', False))
    """
    from difflib import get_close_matches  # noqa: PLC0415 - only an error needs it

    same = SAME.get(text.lower()) or next((choice for choice in choices if _bare(choice) == _bare(text)), None)
    if same in choices:
        return same, True
    asked = counted(text)
    if asked is not None and all(choice.isdecimal() for choice in choices):
        larger = [choice for choice in choices if int(choice) >= asked]
        return (min(larger, key=int), False) if larger else (None, False)
    close = get_close_matches(text, choices, n=1, cutoff=0.6)
    return (close[0] if close else None), False


def _bare(text: str) -> str:
    return text.lower().replace("_", "").replace("-", "")


def _shown(text: str) -> str:
    """A value as a message shows it: short, on one line."""
    text = redact_text(text)
    return repr(text if len(text) <= SHOWN else f"{text[:SHOWN]}...")
