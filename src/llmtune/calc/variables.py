"""Environment variables that a file sets for vLLM."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llmtune.calc.case import Case
    from llmtune.spec.server import Variable

# What Kubernetes makes for a Service (VLLM_SERVICE_HOST, VLLM_PORT_8000_TCP_ADDR).
SERVICE_LINK = re.compile(r"VLLM_(\w+_)?(SERVICE_(HOST|PORT)\w*|PORT_\d+_(TCP|UDP)\w*)")
# Arguments and choices for the scripts of images and templates; no server is meant to read them.
WRAPPER = re.compile(
    r"VLLM_(\w+_)?(ARGS?|ARGUMENTS|FLAGS|OPTS|OPTIONS|COMMAND|CMD|IMAGE|IMAGE_TAG|TAG|VERSION|URL|ENDPOINT)"
)


def set_for_vllm(case: Case) -> Iterator[Variable]:
    """The variables with vLLM's prefix, each as it is set last."""
    last = {item.name: item for item in case.server.variables if item.name.startswith("VLLM_")}
    yield from (item for name, item in last.items() if not SERVICE_LINK.fullmatch(name))


def is_used(case: Case, variable: Variable) -> bool:
    """Whether somebody other than vLLM reads a variable: the file itself, or by its name a script around the server."""
    return variable.name in case.document.uses or WRAPPER.fullmatch(variable.name) is not None


def has_own_script(case: Case) -> bool:
    """Whether a script that stands elsewhere starts the server; it may read any variable."""
    return case.server.entry == "image" and case.around.replaces_entrypoint
