"""Servers on one GPU claim more memory than it has.

`--gpu-memory-utilization` is a share of the whole GPU for each server, not of what is free. Since 0.9.1 the second
server finds less free memory than it wants and stops; earlier releases counted the first one's memory as their own
(vLLM 0.33.0, v1/worker/utils.py, request_memory). Shares of all servers on a GPU must stay below 1, with room for a
CUDA context each, and the servers should start one after the other, since each measures while the other loads.

Example:
    ```yaml
    services:
      chat:
        image: vllm/vllm-openai:v0.33.0
        command: [Qwen/Qwen3-8B, --max-model-len=8192, --gpu-memory-utilization=0.6, --host=127.0.0.1]
        ipc: host
        restart: unless-stopped
        volumes: ["/srv/cache:/root/.cache"]
        healthcheck: {test: [CMD, curl, -f, "http://localhost:8000/health"], start_period: 10m}
        deploy: {resources: {reservations: {devices: [{driver: nvidia, device_ids: ["0"], capabilities: [gpu]}]}}}
      embeddings:
        image: vllm/vllm-openai:v0.33.0
        command: [BAAI/bge-m3, --gpu-memory-utilization=0.5, --host=127.0.0.1]
        ipc: host
        restart: unless-stopped
        volumes: ["/srv/cache:/root/.cache"]
        healthcheck: {test: [CMD, curl, -f, "http://localhost:8000/health"], start_period: 10m}
        deploy: {resources: {reservations: {devices: [{driver: nvidia, device_ids: ["0"], capabilities: [gpu]}]}}}
    ```

Use instead:
    ```yaml
    services:
      chat:
        image: vllm/vllm-openai:v0.33.0
        command: [Qwen/Qwen3-8B, --max-model-len=8192, --gpu-memory-utilization=0.6, --host=127.0.0.1]
        ipc: host
        restart: unless-stopped
        volumes: ["/srv/cache:/root/.cache"]
        healthcheck: {test: [CMD, curl, -f, "http://localhost:8000/health"], start_period: 10m}
        deploy: {resources: {reservations: {devices: [{driver: nvidia, device_ids: ["0"], capabilities: [gpu]}]}}}
      embeddings:
        image: vllm/vllm-openai:v0.33.0
        command: [BAAI/bge-m3, --gpu-memory-utilization=0.3, --host=127.0.0.1]
        ipc: host
        restart: unless-stopped
        volumes: ["/srv/cache:/root/.cache"]
        healthcheck: {test: [CMD, curl, -f, "http://localhost:8000/health"], start_period: 10m}
        deploy: {resources: {reservations: {devices: [{driver: nvidia, device_ids: ["0"], capabilities: [gpu]}]}}}
    ```
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.calc.devices import VISIBLE, visible_ids
from llmtune.calc.switches import ratio
from llmtune.calc.wording import listed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llmtune.calc.case import Case
    from llmtune.spec.finding import Finding

SEVERITY = "error"
CONFIDENCE = "likely"
FLAG = "gpu-memory-utilization"
ONE_MACHINE = frozenset({"compose", "docker", "quadlet", "host"})
TOGETHER = frozenset({"compose"})  # all servers of the file run at once, unless somebody starts them one by one


def check(case: Case) -> Iterator[Finding]:
    """The server whose share, on top of those that stand before it, goes beyond the GPU."""
    share, mine = _share(case), gpus_of(case)
    if share is None or not mine or case.around.platform not in ONE_MACHINE:
        return
    before = [other for other in case.neighbours if _stands_before(other, case)]
    for gpu in mine:
        others = [(other, _share(other)) for other in before if gpu in gpus_of(other)]
        shares = [value for _, value in others if value is not None]
        if not shares or sum(shares) + share <= 1:
            continue
        names = listed(other.server.name or f"line {other.server.span.line}" for other, _ in others)
        yield case.finding(
            f"servers on GPU {gpu} claim {sum(shares) + share:.2f} of its memory together",
            case.setting(FLAG) or case.model_word,
            note=f"{share:g} here, {sum(shares):.2g} by {names}",
            help="lower --gpu-memory-utilization so that all of them stay below 1, or give each its own GPU",
            severity="" if case.around.platform in TOGETHER else "warning",
        )
        return


def gpus_of(case: Case) -> tuple[str, ...]:
    """The GPUs of the machine that a server surely uses, by id; empty where that is not known."""
    around, variable = case.around, case.variable(VISIBLE)
    if around.gpu_ids is not None:
        ids = case.value_of(around.gpu_ids)
        return tuple(ids) if ids and variable is None else ()
    if variable is not None and around.platform == "host":
        return visible_ids(variable) or ()
    return ()


def _share(case: Case) -> float | None:
    """The share of the GPU's memory that a server claims; None where that is not known."""
    if case.deployment.has("kv-cache-memory-bytes") or case.open_ended:
        return None
    if case.deployment.has(FLAG):
        return case.number(FLAG)
    return ratio(case.engine, "default.gpu_memory_utilization")


def _stands_before(other: Case, case: Case) -> bool:
    there, here = other.server.span, case.server.span
    return (there.file, there.line, there.column) < (here.file, here.line, here.column)
