"""There are fewer CPU cores than busy processes.

One server is an API process, an engine process that never rests, and a worker for each GPU; with fewer cores than
those the GPU waits for the CPU, between every two tokens. vLLM's documentation asks for 2 cores + one for each GPU at
least (configuration/optimization.md, "CPU Resources for GPU Deployments"; more with structured outputs or images).

Example:
    ```yaml
    apiVersion: apps/v1
    kind: Deployment
    metadata: {name: qwen}
    spec:
      strategy: {type: Recreate}
      selector: {matchLabels: {app: qwen}}
      template:
        metadata: {labels: {app: qwen}}
        spec:
          containers:
            - name: vllm
              image: vllm/vllm-openai:v0.33.0
              args: [Qwen/Qwen3-8B, --max-model-len, "16384"]
              resources: {limits: {nvidia.com/gpu: 1}, requests: {cpu: 1}}
              startupProbe: {httpGet: {path: /health, port: 8000}, failureThreshold: 60}
              readinessProbe: {httpGet: {path: /health, port: 8000}}
              volumeMounts:
                - {name: cache, mountPath: /root/.cache}
                - {name: shm, mountPath: /dev/shm}
          volumes:
            - {name: cache, persistentVolumeClaim: {claimName: cache}}
            - {name: shm, emptyDir: {medium: Memory, sizeLimit: 8Gi}}
    ```

Use instead:
    ```yaml
    apiVersion: apps/v1
    kind: Deployment
    metadata: {name: qwen}
    spec:
      strategy: {type: Recreate}
      selector: {matchLabels: {app: qwen}}
      template:
        metadata: {labels: {app: qwen}}
        spec:
          containers:
            - name: vllm
              image: vllm/vllm-openai:v0.33.0
              args: [Qwen/Qwen3-8B, --max-model-len, "16384"]
              resources: {limits: {nvidia.com/gpu: 1}, requests: {cpu: 4}}
              startupProbe: {httpGet: {path: /health, port: 8000}, failureThreshold: 60}
              readinessProbe: {httpGet: {path: /health, port: 8000}}
              volumeMounts:
                - {name: cache, mountPath: /root/.cache}
                - {name: shm, mountPath: /dev/shm}
          volumes:
            - {name: cache, persistentVolumeClaim: {claimName: cache}}
            - {name: shm, emptyDir: {medium: Memory, sizeLimit: 8Gi}}
    ```
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.calc.container import gpus_of, is_cuda_image, ranks_of, wants_cpu

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llmtune.calc.case import Case
    from llmtune.spec.finding import Finding

SEVERITY = "warning"
CONFIDENCE = "likely"
SINCE = "0.8.0"  # the V1 engine has these processes

BESIDE_WORKERS = 2  # the API server and the engine


def check(case: Case) -> Iterator[Finding]:
    """Cores that the container gets, against processes."""
    cores: float | None = case.value_of(case.around.cpu_request)
    workers = gpus_of(case) or ranks_of(case)
    on_gpu = bool(gpus_of(case)) or case.around.all_gpus or is_cuda_image(case)
    if (
        cores is None
        or workers is None
        or not on_gpu
        or gpus_of(case) == 0
        or wants_cpu(case)
        or cores >= workers + BESIDE_WORKERS
    ):
        return
    got = f"{cores:g} CPU core{'' if cores == 1 else 's'}"
    yield case.finding(
        f"{workers + BESIDE_WORKERS} busy processes get {got}: the GPU waits for them",
        case.around.cpu_request,
        note=f"an API server, an engine and {workers} worker{'s' if workers > 1 else ''}",
        help=f"ask for {workers + BESIDE_WORKERS} cores or more",
    )
