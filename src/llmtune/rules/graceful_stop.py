"""The time to stop is granted, and vLLM does not use it; or it uses more than is granted.

On SIGTERM vLLM aborts every request at once unless `--shutdown-timeout` gives them seconds to end (from 0.18.0 on,
default 0; v1/engine/core.py). A grace period in the file then does nothing but delay what comes next. The other way
round, the platform kills the server in the middle: Kubernetes after 30 seconds, Docker after 10.

Example:
    ```yaml
    services:
      qwen:
        image: vllm/vllm-openai:v0.33.0
        command: [Qwen/Qwen3-8B, --max-model-len, "16384"]
        stop_grace_period: 120s
        ipc: host
        gpus: all
        ports: ["127.0.0.1:8000:8000"]
        volumes: ["./cache:/root/.cache"]
        healthcheck: {test: curl -f http://localhost:8000/health, start_period: 300s}
        restart: unless-stopped
    ```

Use instead:
    ```yaml
    services:
      qwen:
        image: vllm/vllm-openai:v0.33.0
        command: [Qwen/Qwen3-8B, --max-model-len, "16384", --shutdown-timeout, "100"]
        stop_grace_period: 120s
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

from llmtune.calc.exposure import elsewhere

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llmtune.calc.case import Case
    from llmtune.spec.finding import Finding

SEVERITY = "info"
CONFIDENCE = "likely"
SINCE = "0.18.0"
NEEDS = ("release", "arguments")

GRANTED = {"kubernetes": 30, "docker": 10, "compose": 10, "quadlet": 10}  # seconds, where the file does not say


def check(case: Case) -> Iterator[Finding]:
    """A long grace period without draining, or draining beyond the grace period."""
    fact, default = case.around.grace_period, GRANTED.get(case.around.platform)
    granted = case.value_of(fact) if fact is not None else default
    if granted is None or (fact is None and not case.around.complete):
        return
    setting, wanted = case.setting("shutdown-timeout"), case.number("shutdown-timeout")
    if wanted is not None and wanted > granted:
        yield case.finding(
            f"the platform kills the server after {granted} s, before its {wanted:.0f} s to end requests are over",
            setting,
            help="grant more time, or lower --shutdown-timeout",
        )
    elif not elsewhere(case) and setting is None and fact is not None and default is not None and granted > default:
        yield case.finding(
            f"vLLM aborts its requests at once and does not use the {granted} s that it is granted",
            fact,
            help=f"let requests end: --shutdown-timeout {max(1, granted - 10)}",
        )
