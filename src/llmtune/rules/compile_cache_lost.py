"""What the server compiled is thrown away with its pod.

torch.compile and FlashInfer keep what they built in `VLLM_CACHE_ROOT` (`~/.cache/vllm`). The weights are on a volume
here, the compiled code is not: each new pod compiles again, half a minute to several minutes by model. Mount a volume
on `/root/.cache`, which has both.

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
              readinessProbe: {httpGet: {path: /health, port: 8000}}
              volumeMounts:
                - {name: cache, mountPath: /root/.cache/huggingface}
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

from llmtune.calc.container import is_kept, is_mounted, model_caches, runs_vllm, text_of, user_cache, wants_cpu

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llmtune.calc.case import Case
    from llmtune.spec.finding import Finding

SEVERITY = "info"
SINCE = "0.8.0"  # torch.compile by default, with the V1 engine
NEEDS = ("arguments", "container")

NO_COMPILATION = ("enforce-eager", "optimization-level", "compilation-config")


def check(case: Case) -> Iterator[Finding]:
    """Weights on a volume, compiled code in the container."""
    if case.around.platform != "kubernetes" or not runs_vllm(case) or wants_cpu(case):
        return
    if any(case.setting(flag) is not None for flag in NO_COMPILATION):
        return
    caches = model_caches(case)
    if not caches or not any(is_kept(case, cache) for cache in caches):
        return
    root, shared = case.variable("VLLM_CACHE_ROOT"), user_cache(case)
    place = text_of(case, "VLLM_CACHE_ROOT") if root is not None else shared and f"{shared}/vllm"
    if place is None:
        return
    if not is_mounted(case, place):
        yield case.finding(
            "the server compiles again in every new pod: its weights are kept, its compiled code is not",
            case.around.image,
            note=f"nothing is mounted at {place}",
            help=f"mount a volume at {place}, or at a directory above it",
        )
