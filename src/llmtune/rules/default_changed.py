"""Another release has another default for options that are not set.

When the release of the image or the package is compared with the one that `--vllm-version` names, what the file leaves
to vLLM changes silently: `--gpu-memory-utilization` went from 0.9 to 0.92 in 0.20.0, `--generation-config` from nothing
to `auto` in 0.8.0, `--allowed-origins` from everything to nothing in 0.32.0. Set what must stay. Only declared
defaults are compared; the sizes of batches follow from the GPU and the release.

Example:
    ```sh vllm-version=0.20.0
    pip install vllm==0.19.1
    vllm serve Qwen/Qwen3-8B --max-model-len 8192 --host 127.0.0.1
    ```

Use instead:
    ```sh vllm-version=0.20.0
    pip install vllm==0.19.1
    vllm serve Qwen/Qwen3-8B --max-model-len 8192 --host 127.0.0.1 --gpu-memory-utilization 0.9
    ```
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llmtune.calc.case import Case
    from llmtune.spec.finding import Finding

SEVERITY = "info"
NEEDS = ("release", "arguments")
SHOWN = 6


def check(case: Case) -> Iterator[Finding]:
    """The release that the file names, against the one that the command line asks about."""
    stated = case.value_of(case.server.release) or getattr(case.facts.image, "release", None)
    if case.facts.release_from != "option" or not isinstance(stated, str) or case.server.entry == "config":
        return
    try:
        changed = case.facts.history.changed_defaults(stated, case.release)
    except (LookupError, ValueError):
        return
    open_ = [item for item in changed if case.unset(item.flag) and not item.option.deprecated]
    if not open_:
        return
    listed = [f"--{item.flag} {shown(item.before)} to {shown(item.after)}" for item in open_]
    more = f" and {len(listed) - SHOWN} more" if len(listed) > SHOWN else ""
    yield case.finding(
        f"from vLLM {stated} to {case.release} defaults change that are not set here",
        case.server.release or case.around.image,
        note=", ".join(listed[:SHOWN]) + more,
        help="set what must stay as it is",
    )


def shown(value: object) -> str:
    """A default as a message gives it."""
    return "unset" if value is None else json.dumps(value)
