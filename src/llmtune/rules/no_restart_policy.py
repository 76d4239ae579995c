"""A server that stops stays stopped.

vLLM ends when its engine dies: a CUDA error, a lost worker, no memory. Compose and systemd do not start it again
unless they are told to. Compose's words mean nothing to systemd: it ignores `Restart=unless-stopped` with a line in its
log (systemd.service, "Restart=").

Example:
    ```yaml
    services:
      qwen:
        image: vllm/vllm-openai:v0.33.0
        command: [Qwen/Qwen3-8B, --max-model-len, "16384"]
        ipc: host
        gpus: all
        ports: ["127.0.0.1:8000:8000"]
        volumes: ["./cache:/root/.cache"]
        healthcheck: {test: curl -f http://localhost:8000/health, start_period: 300s}
    ```

Use instead:
    ```yaml
    services:
      qwen:
        image: vllm/vllm-openai:v0.33.0
        command: [Qwen/Qwen3-8B, --max-model-len, "16384"]
        ipc: host
        gpus: all
        ports: ["127.0.0.1:8000:8000"]
        volumes: ["./cache:/root/.cache"]
        healthcheck: {test: curl -f http://localhost:8000/health, start_period: 300s}
        restart: unless-stopped
    ```
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llmtune.calc.case import Case
    from llmtune.spec.finding import Finding

SEVERITY = "info"
UNITS = frozenset({"systemd", "quadlet"})
SYSTEMD = frozenset({"no", "on-success", "on-failure", "on-abnormal", "on-watchdog", "on-abort", "always", ""})


def check(case: Case) -> Iterator[Finding]:
    """No policy in Compose, none in a systemd unit, or one that systemd does not have."""
    policy = case.value_of(case.around.restart)
    if case.document.kind in UNITS and policy is not None and policy not in SYSTEMD:
        yield case.finding(
            f"systemd knows no 'Restart={policy}' and leaves the server down when it stops",
            case.around.restart,
            help="write 'Restart=on-failure'",
            severity="warning",
        )
    if case.around.restart is not None:
        return
    if case.around.platform == "compose" and case.around.complete:
        yield case.finding("the server stays down when it stops", help="add 'restart: unless-stopped' to the service")
    elif case.document.kind in UNITS:
        yield case.finding("the server stays down when it stops", help="add 'Restart=on-failure' to [Service]")
