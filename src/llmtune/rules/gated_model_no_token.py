"""The model is only given to accounts that accepted its licence, and the container has no token.

The Hub answers "401 Client Error: Cannot access gated repo" and the server stops. Meta's Llama and Google's Gemma up
to Gemma 3 are such models. Accept the licence on the model's page, and give the container `HF_TOKEN` from a secret.

Example:
    ```yaml
    apiVersion: apps/v1
    kind: Deployment
    metadata: {name: llama}
    spec:
      strategy: {type: Recreate}
      selector: {matchLabels: {app: llama}}
      template:
        metadata: {labels: {app: llama}}
        spec:
          containers:
            - name: vllm
              image: vllm/vllm-openai:v0.33.0
              args: [meta-llama/Llama-3.1-8B-Instruct, --max-model-len, "16384"]
              resources: {limits: {nvidia.com/gpu: 1}}
              startupProbe: {httpGet: {path: /health, port: 8000}, failureThreshold: 60}
              readinessProbe: {httpGet: {path: /health, port: 8000}}
              volumeMounts:
                - {name: cache, mountPath: /root/.cache}
                - {name: shm, mountPath: /dev/shm}
          volumes:
            - {name: cache, emptyDir: {}}
            - {name: shm, emptyDir: {medium: Memory, sizeLimit: 8Gi}}
    ```

Use instead:
    ```yaml
    apiVersion: apps/v1
    kind: Deployment
    metadata: {name: llama}
    spec:
      strategy: {type: Recreate}
      selector: {matchLabels: {app: llama}}
      template:
        metadata: {labels: {app: llama}}
        spec:
          containers:
            - name: vllm
              image: vllm/vllm-openai:v0.33.0
              args: [meta-llama/Llama-3.1-8B-Instruct, --max-model-len, "16384"]
              env:
                - name: HF_TOKEN
                  valueFrom: {secretKeyRef: {name: hub, key: token}}
              resources: {limits: {nvidia.com/gpu: 1}}
              startupProbe: {httpGet: {path: /health, port: 8000}, failureThreshold: 60}
              readinessProbe: {httpGet: {path: /health, port: 8000}}
              volumeMounts:
                - {name: cache, mountPath: /root/.cache}
                - {name: shm, mountPath: /dev/shm}
          volumes:
            - {name: cache, emptyDir: {}}
            - {name: shm, emptyDir: {medium: Memory, sizeLimit: 8Gi}}
    ```
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.calc.container import is_kept, is_true, model_caches, runs_vllm
from llmtune.calc.exposure import hides_variables

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llmtune.calc.case import Case
    from llmtune.spec.finding import Finding

SEVERITY = "error"
CONFIDENCE = "likely"
NEEDS = ("arguments", "container")

GIVE_TOKEN = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_TOKEN_PATH", "HF_ENDPOINT", "HF_HUB_OFFLINE")


def check(case: Case) -> Iterator[Finding]:
    """A gated model, and nothing that may hold a token or the model itself."""
    if not runs_vllm(case) or not case.facts.history.is_listed("gated", case.deployment.model):
        return
    if case.setting("hf-token") is not None or any(case.variable(name) is not None for name in GIVE_TOKEN):
        return
    if hides_variables(case) or is_true(case, "VLLM_USE_MODELSCOPE"):
        return
    if any("secret" in mount.path or mount.kind == "other" for mount in case.around.mounts):
        return
    caches = model_caches(case)
    if not caches or any(is_kept(case, cache) for cache in caches):
        return
    yield case.finding(
        "the Hub gives this model only to accounts that accepted its licence, and the container has no token",
        case.model_word,
        help="give it HF_TOKEN from a secret",
    )
