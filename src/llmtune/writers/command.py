"""A deployment as the command that starts it: ``VAR=value vllm serve MODEL --flag value ...``.

Values go behind ``=`` only where they would otherwise be taken for a flag. Secrets are written as they are, because
the server needs them.
"""

from __future__ import annotations

from shlex import quote
from typing import TYPE_CHECKING

from llmtune.writers import WriteError
from llmtune.writers.arguments import check, collects, is_switch, looks_like_flag, option_of, switch, texts

if TYPE_CHECKING:
    from llmtune.spec.deployment import Deployment, Setting
    from llmtune.spec.engine import EngineVersion

NAMING = "served-model-name"


def write(deployment: Deployment, engine: EngineVersion, *, pretty: bool = False) -> str:
    """The command on one line, or with ``pretty`` one setting per line.

    Raises:
        WriteError: for a setting or a value that the release does not have or a command cannot hold.

    """
    check(deployment)
    named = any(setting.flag == NAMING for setting in deployment.settings)
    if named and not deployment.model:
        raise WriteError(f"--{NAMING} needs a model in front of it; name the model")
    pieces = [[f"{name}={quote(value)}"] for name, value in deployment.environment.items()]
    pieces.append(["vllm", "serve", *([quote(deployment.model)] if deployment.model else [])])
    for setting in deployment.settings:
        pieces += [[quote(word) for word in words] for words in _words(setting, engine)]
    joint = " \\\n  " if pretty else " "
    return joint.join(" ".join(words) for words in pieces) + "\n"


def arguments(deployment: Deployment, engine: EngineVersion) -> list[str]:
    """The argument vector behind ``vllm serve``, unquoted, the model first.

    Raises:
        WriteError: as ``write``.

    """
    check(deployment)
    words = [word for setting in deployment.settings for part in _words(setting, engine) for word in part]
    return [deployment.model, *words] if deployment.model else words


def _words(setting: Setting, engine: EngineVersion) -> list[list[str]]:
    """The words of a setting, one list for each time that its flag is written."""
    option = option_of(setting, engine)
    if is_switch(option):
        return [[f"--{switch(setting, option)}"]]
    values = texts(setting, option)
    if collects(option):
        return [_flag_and(setting.flag, [value]) for value in values]
    return [_flag_and(setting.flag, values)]


def _flag_and(flag: str, values: list[str]) -> list[str]:
    if not any(looks_like_flag(value) for value in values):
        return [f"--{flag}", *values]
    if len(values) > 1:
        raise WriteError(f"--{flag} cannot be written: in a list no value may start with a dash")
    return [f"--{flag}={values[0]}"]
