"""Quotes in a list of variables become part of the value.

Compose takes everything behind the equals sign of `- NAME="value"` as the value, quotes included, because the YAML
text itself is not quoted. vLLM then gets `"value"` with two quotes around it.

Example:
    ```yaml
    services:
      vllm:
        image: vllm/vllm-openai:v0.33.0
        command: [Qwen/Qwen3-8B, --max-model-len, "8192", --host, 127.0.0.1]
        ipc: host
        restart: unless-stopped
        volumes: ["./cache:/root/.cache"]
        environment:
          - VLLM_LOGGING_LEVEL="DEBUG"
        healthcheck:
          test: ["CMD", "curl", "-f", "http://localhost:8000/health"]
          start_period: 30m
        deploy:
          resources:
            reservations:
              devices: [{driver: nvidia, count: 1, capabilities: [gpu]}]
    ```

Use instead:
    ```yaml
    services:
      vllm:
        image: vllm/vllm-openai:v0.33.0
        command: [Qwen/Qwen3-8B, --max-model-len, "8192", --host, 127.0.0.1]
        ipc: host
        restart: unless-stopped
        volumes: ["./cache:/root/.cache"]
        environment:
          VLLM_LOGGING_LEVEL: "DEBUG"
        healthcheck:
          test: ["CMD", "curl", "-f", "http://localhost:8000/health"]
          start_period: 30m
        deploy:
          resources:
            reservations:
              devices: [{driver: nvidia, count: 1, capabilities: [gpu]}]
    ```
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.rules import reported

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llmtune.calc.case import Case
    from llmtune.spec.finding import Finding

SEVERITY = "warning"


def check(case: Case) -> Iterator[Finding]:
    """The reader finds it."""
    yield from reported(case, "env-literal-quotes")
