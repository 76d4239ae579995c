"""Python code that comes with the checkpoint runs in the server.

`--trust-remote-code` imports code from the model's repository, with everything the server may do: read its secrets,
its network, its files. Whoever can push to that repository can change it, and the next start runs it. Pin the commit
with `--revision` (or `--code-revision`) after reading the code. Where vLLM and Transformers know the architecture
themselves the option only opens the door, so leave it out. It is advice for models that do not load without it, and
for a local directory, whose code nobody else changes.

Example:
    ```sh
    vllm serve Qwen/Qwen3-8B --max-model-len 16384 --host 127.0.0.1 --trust-remote-code
    ```

Use instead:
    ```sh
    vllm serve Qwen/Qwen3-8B --max-model-len 16384 --host 127.0.0.1
    ```
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from llmtune.calc.container import is_local
from llmtune.calc.mending import without
from llmtune.calc.switches import words

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llmtune.calc.case import Case
    from llmtune.spec.finding import Finding

SEVERITY = "warning"

COMMIT = re.compile(r"[0-9a-f]{40}")
PIN = "read the code, then pin it with --revision <commit>"


def check(case: Case) -> Iterator[Finding]:
    """The option, by who brings the code and whether the model needs it."""
    setting = case.setting("trust-remote-code")
    if setting is None or setting.value is not True or is_pinned(case):
        return
    needed = case.model is not None and case.model.model_type in words(case.engine, "checkpoint.own_code")
    if case.model is not None and not needed:
        yield case.finding(
            "code from the checkpoint may run in the server, and this model does not need it",
            setting,
            note=f"vLLM {case.release} loads {case.model.architecture} itself",
            help="leave --trust-remote-code out",
            fix=without(setting),
        )
    elif needed:
        yield case.finding("code from the checkpoint runs in the server", setting, help=PIN, severity="info")
    elif is_local(case.deployment.model):
        yield case.finding(
            "code from the model's directory may run in the server",
            setting,
            help="read it first, and let nobody else write to the directory",
            severity="info",
        )
    else:
        yield case.finding("code from the checkpoint may run in the server, whatever it is by then", setting, help=PIN)


def is_pinned(case: Case) -> bool:
    """Whether a commit is named, or may be: a variable hides it."""
    for flag in ("revision", "code-revision"):
        setting = case.setting(flag)
        if setting is not None and (not setting.known or COMMIT.fullmatch(str(setting.value))):
            return True
    return False
