r"""The server listens on another port than the one that is asked.

vLLM listens on `--port`, 8000 unless it is set. A published port, a Service, a probe or a health check that names
another one reaches nothing: connections are refused, and Kubernetes starts the container again and again (vLLM issue
24416). In `"8001:8000"` the second number is the container's.

Example:
    ```sh
    docker run --gpus all --ipc=host -p 127.0.0.1:8080:8080 -v /srv/hf:/root/.cache/huggingface \
      vllm/vllm-openai:v0.33.0 Qwen/Qwen3-8B --max-model-len 16384
    ```

Use instead:
    ```sh
    docker run --gpus all --ipc=host -p 127.0.0.1:8080:8000 -v /srv/hf:/root/.cache/huggingface \
      vllm/vllm-openai:v0.33.0 Qwen/Qwen3-8B --max-model-len 16384
    ```
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from llmtune.calc.exposure import port_of
from llmtune.spec.finding import Edit, Fix

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llmtune.calc.case import Case
    from llmtune.spec.finding import Finding
    from llmtune.spec.surroundings import Port

SEVERITY = "error"
CONFIDENCE = "likely"
NEEDS = ("arguments", "container")

ROLES = {
    "container": "this port of the container",
    "service": "the Service's target port",
    "probe": "the probe's port",
    "health": "the health check's port",
}
HARMLESS = re.compile(
    r"export|set|cd|echo|printf|pip3?|uv|mkdir|sleep|source|\.|huggingface-cli|hf|apt(-get)?|nvidia-smi|ulimit|chmod|git"
    r"|curl|wget|cp|mv|ln|rm|test|\[\[?|true|:|local|declare|readonly|unset|trap|ls|cat|env|which"
)


def check(case: Case) -> Iterator[Finding]:
    """No port of a role is the server's."""
    ports = ports_inside(case)
    number = port_of(case)
    if number is None or ports is None or any(is_server(words[0].text) for words in case.server.prologue if words):
        return
    asked = {port.number for port in case.around.ports if port.role in {"service", "probe", "health"}}
    for role, what in ROLES.items():
        named = probed(case, ports) if role == "probe" else [port for port in case.around.ports if port.role == role]
        if not named or any(port.number in ports for port in named) or (role == "container" and is_idle(case, asked)):
            continue
        yield case.finding(
            f"{what} is {named[0].number}, but the server listens on {number}",
            named[0].span,
            help=f"make them the same: --port {named[0].number}, or {number} here",
            fix=fix(case, named[0], number),
        )


def probed(case: Case, ports: set[int]) -> list[Port]:
    """The probes that ask another port: each counts, but one beside others may ask what the container names, too."""
    named = [port for port in case.around.ports if port.role == "probe"]
    wrong = [port for port in named if port.number not in ports]
    declared = {port.number for port in case.around.ports if port.role == "container"}
    return wrong if len(wrong) == len(named) else [port for port in wrong if port.number not in declared]


def is_idle(case: Case, asked: set[int]) -> bool:
    """Whether the list of ports does nothing: beside the host's network, or where a Service or a probe says more."""
    return case.value_of(case.around.host_network) is True or (case.around.platform == "kubernetes" and bool(asked))


def ports_inside(case: Case) -> set[int] | None:
    """The ports of all servers in the container; None where one is hidden."""
    ports = [port_of(case)]
    ports += [port_of(other) for other in case.neighbours if other.around is case.around]
    known = {port for port in ports if port is not None}
    return known if len(known) == len(set(ports)) else None


def is_server(program: str) -> bool:
    """Whether a command that runs beside vLLM may listen on a port of its own."""
    return HARMLESS.fullmatch(program.rsplit("/", 1)[-1]) is None and "=" not in program


def fix(case: Case, port: Port, number: int) -> Fix | None:
    """The server's port in its place, where the command states it and the place has nothing but the number."""
    span = port.span
    alone = span.line == span.end_line and span.end_column - span.column == len(str(port.number))
    if case.setting("port") is None or not alone:
        return None
    return Fix(f"make it {number}", (Edit(span, str(number)),), safe=False)
