"""A deployment as the YAML file of ``vllm serve --config FILE``.

Switches that are off become ``no-<flag>: true``, because the engine drops ``false``. JSON is one text, which every
release takes, or a mapping where the release's behaviour has ``parser.config_mappings``.

Left out on purpose: the file has no place for environment variables, so a deployment with some is refused; a caller
that wants the file tells the user about them and writes ``dataclasses.replace(deployment, environment={})``. Of a
flag that is set twice only the last value is written, at its own place: YAML has one value for a key.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from llmtune import __version__
from llmtune.writers import WriteError
from llmtune.writers.arguments import check, collects, is_switch, looks_like_flag, option_of, switch, takes_json, texts

if TYPE_CHECKING:
    from llmtune.spec.deployment import Deployment, Setting
    from llmtune.spec.engine import EngineVersion

WIDEST = 1 << 30  # never fold a line


def write(deployment: Deployment, engine: EngineVersion) -> str:
    """The file's text.

    Raises:
        WriteError: for environment variables, and for a setting or value that the release does not have or a config
            file cannot hold.

    """
    import yaml

    check(deployment)
    if deployment.environment:
        names = ", ".join(deployment.environment)
        raise WriteError(f"a --config file cannot set environment variables ({names}); set them where vLLM is started")
    last = {setting.flag: setting for setting in deployment.settings}
    entries: dict[str, Any] = {"model": deployment.model} if deployment.model else {}
    for setting in deployment.settings:
        if last[setting.flag] is setting:
            key, value = _entry(setting, engine)
            entries[key] = value
    dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    body = yaml.dump(entries, None, dumper, sort_keys=False, default_flow_style=False, allow_unicode=True, width=WIDEST)
    return f"# vllm serve --config, for vLLM {engine.release}; made by llmtune {__version__}\n{body}"


def _entry(setting: Setting, engine: EngineVersion) -> tuple[str, Any]:
    """Key and value as the YAML library is to write them."""
    option = option_of(setting, engine)
    if is_switch(option):
        if not engine.behaviour.get("parser.config_booleans", True):
            raise WriteError(
                f"vLLM {engine.release} reads no switches from a --config file (--{setting.flag}); use a command"
            )
        return switch(setting, option), True
    values = texts(setting, option)
    if any(looks_like_flag(value) for value in values):
        raise WriteError(f"--{setting.flag} cannot be in a --config file: its value starts with a dash; use a command")
    if not values:
        return setting.flag, True
    if collects(option) and len(values) > 1:
        raise WriteError(f"--{setting.flag} can be in a --config file only once; use a command")
    if isinstance(setting.value, list) and option.type != "json":
        return setting.flag, _list(setting, values, engine)
    if isinstance(setting.value, dict) and takes_json(option) and engine.behaviour.get("parser.config_mappings", False):
        return setting.flag, setting.value
    as_it_is = setting.value is None or type(setting.value) in {int, float}
    return setting.flag, setting.value if as_it_is and option.type != "json" else values[0]


def _list(setting: Setting, values: list[str], engine: EngineVersion) -> Any:
    """A list, or its only item for a release whose config files have none."""
    numbers = isinstance(setting.value, list) and all(type(value) in {int, float} for value in setting.value)
    items: Any = setting.value if numbers else values
    if engine.behaviour.get("parser.config_lists", True):
        return items
    if len(values) == 1:
        return items[0]
    raise WriteError(f"vLLM {engine.release} reads no lists from a --config file (--{setting.flag}); use a command")
