"""A setting to the texts that the engine's parser turns into its value again.

Every flag and value is checked against the option table of the release first, so that nothing is written that the
release does not have.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from llmtune.writers import WriteError

if TYPE_CHECKING:
    from llmtune.spec.deployment import Deployment, Setting, Value
    from llmtune.spec.engine import EngineVersion, Option

NEGATIVE = re.compile(r"-\d+")
VARIABLE = re.compile(r"[A-Za-z_]\w*", re.ASCII)


def option_of(setting: Setting, engine: EngineVersion) -> Option:
    """The option of a setting.

    Raises:
        WriteError: when the release has none of that name.

    """
    option = engine.options.get(setting.flag)
    if option is None or setting.flag in {"model", "config"}:
        raise WriteError(f"vLLM {engine.release} has no setting --{setting.flag}; remove it from the deployment")
    return option


def is_switch(option: Option) -> bool:
    """Whether an option takes no value."""
    return option.negatable or option.flag_only


def collects(option: Option) -> bool:
    """Whether an option may be repeated, each time adding a value."""
    return bool(option.append)


def switch(setting: Setting, option: Option) -> str:
    """The flag of a switch without its dashes: ``enable-lora`` or ``no-enable-lora``.

    Raises:
        WriteError: for a value that is no boolean, or False where the option has no opposite.

    """
    if setting.value is True:
        return option.flag
    if setting.value is False and option.negatable:
        return f"no-{option.flag}"
    raise _refused(setting.flag, setting.value, "is switched on by naming it; True is its only value")


def texts(setting: Setting, option: Option) -> list[str]:
    """The values of an option that takes some; none for an option whose value may be left out.

    Raises:
        WriteError: for a value that the option does not have.

    """
    if option.nargs == "?" and setting.value is True:
        return []
    takes_list = option.nargs not in {None, "?"} or option.type == "list" or collects(option)
    if not takes_list:
        return [text(setting.flag, setting.value, option)]
    values = setting.value
    count = option.nargs if str(option.nargs).isdecimal() else None
    if not isinstance(values, list) or not values or (count is not None and len(values) != int(count)):
        raise _refused(setting.flag, values, f"takes a list of {count or 'one or more'} values")
    return [text(setting.flag, value, option) for value in values]


def text(flag: str, value: Value, option: Option) -> str:
    """One value as text.

    Raises:
        WriteError: for a value that the option does not have.

    """
    if value is None and option.optional:
        return "None"
    if not _fits(value, option):
        raise _refused(flag, value, f"takes a value of type {option.type}")
    written = _mapping(flag, value, option) if isinstance(value, dict) or option.type == "json" else str(value)
    folded = written.lower().replace("-", "_")
    if option.choices and written not in option.choices and folded not in option.choices:
        raise _refused(flag, value, f"takes one of {', '.join(option.choices)}")
    if option.optional and written in {"", "None"}:
        raise _refused(flag, value, "takes this text for 'no value'")
    return written


def check(deployment: Deployment) -> None:
    """Refuse a model or a variable that no command line can hold.

    Raises:
        WriteError: for such a deployment.

    """
    if deployment.model.startswith("-") or "\0" in deployment.model:
        raise WriteError(f"{deployment.model!r} is no model name that a command line can hold; rename the directory")
    for name, value in deployment.environment.items():
        if not VARIABLE.fullmatch(name) or "\0" in value:
            raise WriteError(f"{name!r} is no environment variable that a shell can set; rename it")


def looks_like_flag(written: str) -> bool:
    """Whether the parser would take a separate text for a flag."""
    return written.startswith("-") and written != "-" and not NEGATIVE.fullmatch(written)


def takes_json(option: Option) -> bool:
    """Whether an option takes JSON, not only ``name=number`` pairs."""
    return option.json or option.type == "json"


def _mapping(flag: str, value: Value, option: Option) -> str:
    if takes_json(option):
        return _json(flag, value)
    items = value.items() if isinstance(value, dict) else ()
    if not items or not all(type(count) is int and count >= 0 and "," not in name for name, count in items):
        raise _refused(flag, value, "takes name=number pairs")
    return ",".join(f"{name}={count}" for name, count in items)


def _json(flag: str, value: Value) -> str:
    try:
        return json.dumps(value, allow_nan=False)
    except ValueError as error:
        raise _refused(flag, value, "takes JSON, which has no infinite numbers") from error


def _fits(value: Value, option: Option) -> bool:
    """Whether a value has a type that the option gives back."""
    if "\0" in str(value) or value != value:  # noqa: PLR0124 - not a number
        return False
    if isinstance(value, dict):
        return option.json or option.type in {"json", "pairs"}
    if option.type == "json":
        return not option.json
    kinds: dict[str, set[type]] = {"int": {int}, "float": {int, float}, "bool": {bool}, "pairs": set()}
    return type(value) in kinds.get(option.type, {str})


def _refused(flag: str, value: Value, why: str) -> WriteError:
    shown = "its value" if isinstance(value, str) else repr(value)
    return WriteError(f"--{flag} cannot be written with {shown}: it {why}")
