"""Secrets that stand in an input and must not reach an output: keys, tokens, passwords in addresses.

Only a writer that the user asked for may write them, because the server needs them; everything else (reports,
messages, logs) shows what ``redact`` leaves.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from llmtune.spec.deployment import Deployment, Setting, Value

MASK = "***"
FLAGS = frozenset({"api-key", "hf-token", "ssl-keyfile-password"})
# Whole words, so that tokenizer, max_num_batched_tokens (or -token, cut short) and key_cache are no secrets.
SECRET_KEY = re.compile(
    r"(^|[_.-])(api[_-]?key|(secret|access|private|account|encryption|auth)[_-]?key|secret|passw(or)?d|passphrase"
    r"|credentials?|authorization|(hf|hub|auth|access|api|bearer|session|secret|refresh|id)[_-]?token)$",
    re.IGNORECASE,
)
SECRET_VARIABLE = re.compile(r"(^|_)(KEY|TOKEN|SECRET|PASSW(OR)?D|PASSPHRASE|PAT|CREDENTIALS?)$", re.IGNORECASE)
USER_INFO = re.compile(r"(?<=://)([^\s/?#@:]*):[^\s/?#]*@")
SAID = re.compile(
    r"""((?:--(?:api[-_]key|hf[-_]token|ssl[-_]keyfile[-_]password)[ =]+
       |(?:key|(?<!batched[-_])token|secret|passw(?:or)?d|passphrase|credentials?)["']?\s*[:=]\s*|bearer\s+)["']?)
       (?![$<{\s"']|[-+?]?\})([^\s"',]+)""",
    re.IGNORECASE | re.VERBOSE,
)
KNOWN_TOKEN = re.compile(r"\b(hf_[A-Za-z0-9]{16,}|sk-[A-Za-z0-9_-]{16,}|gh[pousr]_[A-Za-z0-9]{20,}|AKIA[A-Z0-9]{16})\b")


def is_secret(flag: str) -> bool:
    """Whether the value of a flag is a secret, whatever it is."""
    return flag in FLAGS or bool(SECRET_KEY.search(flag))


def is_secret_variable(name: str) -> bool:
    """Whether the value of an environment variable is a secret."""
    return bool(SECRET_VARIABLE.search(name))


def redact(settings: Iterable[Setting]) -> tuple[Setting, ...]:
    """The settings with ``***`` for every secret."""
    return tuple(replace(setting, value=redact_value(setting.flag, setting.value)) for setting in settings)


def redact_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """The variables with ``***`` for the value of those whose name ends in KEY, TOKEN, SECRET, PASSWORD."""
    return {
        name: MASK if SECRET_VARIABLE.search(name) and value else redact_text(value)
        for name, value in environment.items()
    }


def redact_deployment(deployment: Deployment) -> Deployment:
    """A deployment that may be shown."""
    return replace(
        deployment,
        model=redact_text(deployment.model),
        settings=redact(deployment.settings),
        environment=redact_environment(deployment.environment),
    )


def redact_value(key: str, value: Value) -> Value:
    """A value with its secrets masked; ``key`` is the flag or the JSON key that holds it."""
    match value:
        case None | bool():
            return value
        case dict():
            return {name: MASK if is_secret(key) else redact_value(name, item) for name, item in value.items()}
        case list():
            return [redact_value(key, item) for item in value]
        case _ if is_secret(key):
            return MASK
        case str():
            return redact_text(value)
        case _:
            return value


def redact_text(text: str) -> str:
    """A text without the passwords of its addresses and without tokens of well-known shapes.

    >>> redact_text("redis://me:hunter2@host/0")
    'redis://me:***@host/0'
    """
    return KNOWN_TOKEN.sub(MASK, USER_INFO.sub(rf"\1:{MASK}@", text))


def redact_line(text: str) -> str:
    """A line of a file as a report may show it: what stands behind a key's or token's name is masked, too.

    >>> redact_line("  - --api-key=hunter2 --port 8000")
    '  - --api-key=*** --port 8000'
    """
    return SAID.sub(rf"\1{MASK}", redact_text(text))
