"""A key or token stands in the file.

Whoever can read the file, its repository or the image's layers has it, and it cannot be taken back from the history.
A key that is only a placeholder (`EMPTY`, `token-abc123`) is worse than none: it looks like protection and everybody
knows it. Take keys from the environment, a file that is not committed, or the platform's secrets.

Example:
    ```sh
    vllm serve Qwen/Qwen3-8B --max-model-len 16384 --host 127.0.0.1 --api-key token-abc123
    ```

Use instead:
    ```sh
    vllm serve Qwen/Qwen3-8B --max-model-len 16384 --host 127.0.0.1 --api-key "$API_KEY"
    ```
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from llmtune.spec.word import is_unknown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llmtune.calc.case import Case
    from llmtune.spec.deployment import Setting
    from llmtune.spec.finding import Finding
    from llmtune.spec.word import Word

SEVERITY = "error"

FLAGS = ("api-key", "hf-token", "ssl-keyfile-password")
SECRET_NAME = re.compile(r"(^|_)(KEY|TOKEN|SECRET|PASSW(OR)?D|PASSPHRASE|PAT|CREDENTIALS?)$", re.IGNORECASE)
SHAPES = re.compile(r"\b(hf_[A-Za-z0-9]{16,}|sk-[A-Za-z0-9_-]{16,}|gh[pousr]_[A-Za-z0-9]{20,}|AKIA[A-Z0-9]{16})\b")
TO_FILL_IN = re.compile(
    r"[<{\[%@$].*|.*[>}\]]|__\w+__|(your|my|the|insert|replace|enter|put|add|paste)[-_ ].*|.*[-_]here"
    r"|.*(x{4}|\.{3}|\*{3}|…).*|change[-_]?me|todo",
    re.IGNORECASE,
)
LEAST_LETTERS = 6  # different ones in a real token; "hf_xxxxxxxx" has fewer
LEAST_LENGTH = 16


def check(case: Case) -> Iterator[Finding]:
    """Flags, variables, and tokens among the words of the other commands."""
    for flag in FLAGS:
        setting = case.setting(flag)
        for word in () if setting is None else literals(setting):
            yield told(case, f"the value of --{flag}", word)
    for variable in case.server.variables:
        if not variable.secret and is_kept(variable.name, variable.value):
            yield told(case, f"the value of {variable.name}", variable.word)
    for words in case.server.prologue:
        for word in words:
            if not is_unknown(word.text) and is_token(word.text):
                yield told(case, "a token", word)


def told(case: Case, what: str, word: Word) -> Finding:
    """The finding; the value is never part of it."""
    return case.finding(
        f"{what} stands in the file, for everyone who can read it",
        word,
        help="take it from the environment or the platform's secrets, and make the old one invalid",
    )


def literals(setting: Setting) -> Iterator[Word]:
    """The words of a setting that are secrets as they stand: of ``--flag value ...`` and of ``--flag=value``."""
    if not setting.words or setting.value is True or setting.value is False:
        return
    flag, *values = setting.words
    if is_literal(flag.text.partition("=")[2]):
        yield flag
    yield from (word for word in values if is_literal(word.text))


def is_literal(text: str) -> bool:
    """Whether a key is one as it stands; even a weak one is. A text that is to be filled in is none."""
    return text != "" and not is_unknown(text) and (text.lower() == "changeme" or not TO_FILL_IN.fullmatch(text))


def is_kept(name: str, value: str) -> bool:
    """Whether a variable holds a secret as it stands."""
    if not value or is_unknown(value):
        return False
    if name == "VLLM_API_KEY":
        return is_literal(value)
    if not SECRET_NAME.search(name):
        return False
    return is_token(value) or (is_literal(value) and is_random(value))


def is_token(text: str) -> bool:
    """Whether a text has a token of a well-known shape in it, and not the shape alone (``hf_xxxxxxxxxxxxxxxx``)."""
    return any(varied(found.group().partition("_")[2] or found.group()[3:]) for found in SHAPES.finditer(text))


def is_random(text: str) -> bool:
    """Whether a text looks like what a machine made up, and not like words, a path or an address."""
    mixed = re.search(r"\d", text) is not None and re.search(r"[A-Za-z]", text) is not None
    written = text.startswith(("/", "./", "~")) or "://" in text or " " in text
    return len(text) >= LEAST_LENGTH and mixed and not written and varied(text)


def varied(text: str) -> bool:
    """Whether a text has as many different characters as a random one."""
    return len(set(text.lower())) >= LEAST_LETTERS and "xxxx" not in text.lower() and "your" not in text.lower()
