r"""The server listens on the container's own loopback address, which nothing outside of the container reaches.

A published port, a Service and a probe of Kubernetes lead to the container's address on its network, not to 127.0.0.1
inside of it, so every connection is refused. Without `--host` vLLM listens on every address of the container (vLLM
0.33.0, entrypoints/common/cli_args.py); who may reach it from outside, the mapping says: `127.0.0.1:8000:8000` keeps
it on the machine (https://docs.docker.com/engine/network/port-publishing/).

Example:
    ```sh vllm-version=0.33.0
    docker run --rm --gpus all --ipc host -v /srv/cache:/root/.cache -p 127.0.0.1:8000:8000 \
      vllm/vllm-openai:v0.33.0 Qwen/Qwen3-8B --max-model-len 8192 --host 127.0.0.1
    ```

Use instead:
    ```sh vllm-version=0.33.0
    docker run --rm --gpus all --ipc host -v /srv/cache:/root/.cache -p 127.0.0.1:8000:8000 \
      vllm/vllm-openai:v0.33.0 Qwen/Qwen3-8B --max-model-len 8192
    ```
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.calc.exposure import is_local, port_of
from llmtune.calc.mending import without

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llmtune.calc.case import Case
    from llmtune.spec.finding import Finding

SEVERITY = "error"
CONFIDENCE = "likely"
PLATFORMS = frozenset({"docker", "compose", "kubernetes"})  # Podman's own network may lead to the loopback address


def check(case: Case) -> Iterator[Finding]:
    """A loopback address, and a port of the server that others are sent to."""
    setting = case.setting("host")
    network = case.around.host_network
    inside = case.around.platform in PLATFORMS and (network is None or case.value_of(network) is False)
    if setting is None or not setting.known or not inside or case.open_ended or not is_local(str(setting.value)):
        return
    sent = next(_sent(case, port_of(case)), None)
    if sent is not None:
        yield case.finding(
            f"{sent} leads to the container, but the server listens on {setting.value} inside of it only",
            setting,
            help="remove --host; who may reach the server is for the port mapping or the Service to say",
            fix=without(setting),
        )


def _sent(case: Case, number: int | None) -> Iterator[str]:
    """What sends others to the server's port."""
    published = {port.span: port.number for port in case.around.ports if port.role == "published"}
    for port in case.around.ports:
        if number is None or port.number != number:
            continue
        if port.role == "container" and port.span in published:
            yield f"the published port {published[port.span]}"
        elif port.role in {"service", "probe"}:
            yield {"service": "the Service", "probe": "the probe"}[port.role]
