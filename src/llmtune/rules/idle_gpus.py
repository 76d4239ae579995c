"""GPUs are reserved that the server does not use.

vLLM uses `--tensor-parallel-size` x `--pipeline-parallel-size` x `--data-parallel-size` GPUs, one when none is set.
Further GPUs of the container stay idle and are kept from everybody else.

Example:
    ```yaml
    services:
      chat:
        image: vllm/vllm-openai:v0.33.0
        command: [Qwen/Qwen3-32B, --max-model-len=8192, --tensor-parallel-size=2, --host=127.0.0.1]
        ipc: host
        restart: unless-stopped
        volumes: ["/srv/hf:/root/.cache/huggingface"]
        healthcheck: {test: [CMD, curl, -f, "http://localhost:8000/health"], start_period: 10m}
        deploy:
          resources: {reservations: {devices: [{driver: nvidia, device_ids: ["0", "1", "2"], capabilities: [gpu]}]}}
    ```

Use instead:
    ```yaml
    services:
      chat:
        image: vllm/vllm-openai:v0.33.0
        command: [Qwen/Qwen3-32B, --max-model-len=8192, --tensor-parallel-size=2, --host=127.0.0.1]
        ipc: host
        restart: unless-stopped
        volumes: ["/srv/hf:/root/.cache/huggingface"]
        healthcheck: {test: [CMD, curl, -f, "http://localhost:8000/health"], start_period: 10m}
        deploy:
          resources: {reservations: {devices: [{driver: nvidia, device_ids: ["0", "1"], capabilities: [gpu]}]}}
    ```
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.calc.devices import ranks
from llmtune.calc.wording import count

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llmtune.calc.case import Case
    from llmtune.spec.finding import Finding

SEVERITY = "warning"
NEEDS = ("arguments",)


def check(case: Case) -> Iterator[Finding]:
    """More GPUs in the container than ranks; several servers of one container share what it has."""
    around, used = case.around, ranks(case)
    if used is None or case.deployment.has("device-ids"):
        return
    fact = around.gpu_ids or around.gpus
    value = case.value_of(fact)
    if fact is None or value is None or any(_shares(other, case) for other in case.neighbours):
        return
    there = len(value) if isinstance(value, tuple) else value
    if there > used:
        yield case.finding(
            f"{count(there - used, 'GPU')} of {there} {'stays' if there - used == 1 else 'stay'} idle: "
            f"the server uses {used}",
            fact,
            help="raise --tensor-parallel-size or --data-parallel-size, or reserve fewer",
        )


def _shares(other: Case, case: Case) -> bool:
    """Whether another server runs in the same container."""
    theirs, ours = other.around, case.around
    return (theirs.gpus is not None and theirs.gpus == ours.gpus) or (
        theirs.gpu_ids is not None and theirs.gpu_ids == ours.gpu_ids
    )
