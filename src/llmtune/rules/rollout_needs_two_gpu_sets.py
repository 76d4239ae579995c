"""A rollout starts the new pod before it stops the old one, and needs GPUs for both.

A Deployment rolls over unless it says otherwise: with one replica the new pod must be ready before the old one ends.
Where no GPU is free, it stays pending, the old pod keeps its GPU, and the rollout never ends; a volume that one pod
may mount has the same effect. `type: Recreate`, or `maxSurge: 0` with several replicas, needs no second set
(Kubernetes documentation, Deployments, strategy).

Example:
    ```yaml
    apiVersion: apps/v1
    kind: Deployment
    metadata: {name: qwen}
    spec:
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

from llmtune.calc.container import gpus_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llmtune.calc.case import Case
    from llmtune.spec.finding import Finding

SEVERITY = "info"
CONFIDENCE = "likely"
NEEDS = ("container",)


def check(case: Case) -> Iterator[Finding]:
    """A Deployment with GPUs that rolls over with a surge."""
    gpus = gpus_of(case)
    if case.value_of(case.around.strategy) != "RollingUpdate" or not gpus:
        return
    yield case.finding(
        f"a rollout needs {gpus} more GPU{'s' if gpus > 1 else ''} until it is over, or it never ends",
        case.around.strategy,
        help="set 'strategy: {type: Recreate}', or maxSurge 0 where there are several replicas",
    )
