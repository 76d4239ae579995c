"""Nothing tells the platform when the server can answer.

Without a readiness probe Kubernetes sends requests to a pod as soon as its process runs, which is minutes before the
model is loaded; they fail, at every start and every rollout. `/health` answers once the engine is up (vLLM 0.33.0,
entrypoints/serve/instrumentator/health.py). For Compose it is advice: `depends_on` with `condition: service_healthy`
needs a health check to wait for.

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
              resources: {limits: {nvidia.com/gpu: 1}}
              startupProbe: {httpGet: {path: /health, port: 8000}, failureThreshold: 60}
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
              resources: {limits: {nvidia.com/gpu: 1}}
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

from llmtune.calc.container import is_awaited

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llmtune.calc.case import Case
    from llmtune.spec.finding import Finding

SEVERITY = "warning"
NEEDS = ("container",)


def check(case: Case) -> Iterator[Finding]:
    """No readiness probe, no health check."""
    kinds = {probe.kind for probe in case.around.probes}
    if not is_awaited(case):
        return
    if case.around.platform == "kubernetes" and "readiness" not in kinds:
        yield case.finding(
            "requests reach the server before its model is loaded, and fail: there is no readiness probe",
            help="add a readinessProbe on /health",
        )
    if case.around.platform == "compose" and "healthcheck" not in kinds:
        yield case.finding(
            "Compose cannot tell when the server is up: there is no health check",
            help="add a healthcheck that asks http://localhost:8000/health, with a start_period for loading",
            severity="info",
        )
