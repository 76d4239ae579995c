"""A Service called `vllm` sets `VLLM_PORT` to an address, and the server does not start.

For every Service of the namespace Kubernetes gives each container variables in the style of Docker links: a Service
`vllm` becomes `VLLM_PORT=tcp://10.0.0.1:8000`. vLLM reads `VLLM_PORT` as a port number and stops: "VLLM_PORT appears
to be a URI" (0.33.0, envs.py::get_vllm_port), "invalid literal for int()" before 0.9.0. Issues 15613, 34199 and 4462.

Example:
    ```yaml
    apiVersion: v1
    kind: Service
    metadata: {name: vllm}
    spec:
      selector: {app: qwen}
      ports: [{port: 8000}]
    ---
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

Use instead:
    ```yaml
    apiVersion: v1
    kind: Service
    metadata: {name: qwen}
    spec:
      selector: {app: qwen}
      ports: [{port: 8000}]
    ---
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

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llmtune.calc.case import Case
    from llmtune.spec.finding import Finding

SEVERITY = "error"
NEEDS = ("container",)


def check(case: Case) -> Iterator[Finding]:
    """A Service of that name in the namespace, links not switched off, the variable not set by the file itself."""
    links = case.around.service_links
    if links is not None and case.value_of(links) is not True:
        return
    named = next((fact for fact in case.around.service_names if fact.value == "vllm"), None)
    if named is None or case.variable("VLLM_PORT") is not None:
        return
    yield case.finding(
        "because of this Service, VLLM_PORT is an address in the container, and vLLM does not start",
        named,
        note="Kubernetes sets VLLM_PORT=tcp://...",
        help="give the Service another name, or set 'enableServiceLinks: false' in the pod",
    )
