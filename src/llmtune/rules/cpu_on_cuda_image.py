"""The server is to run on the CPU, and the image holds vLLM for CUDA.

vLLM is built for one kind of device: the CUDA build has no CPU kernels and stops with "Failed to infer device type"
or "no GPU". There are images for CPUs (`vllm/vllm-openai-cpu`,
https://docs.vllm.ai/en/latest/getting_started/installation/cpu). Releases from 0.10.0 on have no `--device`: the
build decides.

Example:
    ```yaml vllm-version=0.8.5
    services:
      qwen:
        image: vllm/vllm-openai:v0.8.5
        command: [--model, Qwen/Qwen3-8B, --max-model-len, "16384", --device, cpu]
        ipc: host
        ports: ["127.0.0.1:8000:8000"]
        volumes: ["./cache:/root/.cache"]
        healthcheck: {test: curl -f http://localhost:8000/health, start_period: 300s}
        restart: unless-stopped
    ```

Use instead:
    ```yaml
    services:
      qwen:
        image: vllm/vllm-openai-cpu:v0.33.0
        command: [Qwen/Qwen3-8B, --max-model-len, "16384"]
        ipc: host
        ports: ["127.0.0.1:8000:8000"]
        volumes: ["./cache:/root/.cache"]
        healthcheck: {test: curl -f http://localhost:8000/health, start_period: 300s}
        restart: unless-stopped
    ```
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.calc.container import device_word, is_cuda_image

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llmtune.calc.case import Case
    from llmtune.spec.finding import Finding

SEVERITY = "error"


def check(case: Case) -> Iterator[Finding]:
    """``--device cpu`` and vLLM's CUDA image."""
    word = device_word(case)
    if word is not None and is_cuda_image(case):
        yield case.finding(
            "this image holds vLLM for CUDA, which cannot run on the CPU",
            word,
            help=f"use the image vllm/vllm-openai-cpu:v{case.release}, without --device",
        )
