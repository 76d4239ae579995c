"""The liveness probe may kill the server while it loads its model.

Until the weights are loaded, `/health` does not answer. Kubernetes starts a container again when the liveness probe
has failed for `initialDelaySeconds` + `periodSeconds` x `failureThreshold`, and then loading begins anew, for ever. A
startup probe holds the other probes back until the server has answered once. It is an error when the time is too
short even for a local NVMe disk, a warning when a network disk and a download over 1 Gbit/s take longer, or, where
the model is not known, when it is below 10 minutes, which is what KServe grants (kserve pull request 5063). Without a
liveness probe it is advice: nothing ends a start that hangs. A startup probe that is too short even for a local disk
does the same harm.

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
              readinessProbe: {httpGet: {path: /health, port: 8000}}
              livenessProbe: {httpGet: {path: /health, port: 8000}, initialDelaySeconds: 60}
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
              livenessProbe: {httpGet: {path: /health, port: 8000}}
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

from llmtune.calc.container import is_awaited, is_worker
from llmtune.calc.loading import ENOUGH, start_seconds

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llmtune.calc.case import Case
    from llmtune.spec.finding import Finding
    from llmtune.spec.surroundings import Probe

SEVERITY = "error"
CONFIDENCE = "likely"
NEEDS = ("container",)

HELP = "add a startupProbe on /health with 'failureThreshold: 60' (60 x 10 s), more for large models"


def check(case: Case) -> Iterator[Finding]:
    """No startup probe, by what the liveness probe grants."""
    probes = {probe.kind: probe for probe in case.around.probes}
    if case.around.platform != "kubernetes" or is_worker(case):
        return
    if "startup" in probes:
        yield from (finding for finding in killed(case, probes["startup"]) if finding.severity == "error")
        return
    if "liveness" not in probes:
        if not is_awaited(case):
            return
        yield case.finding(
            "there is neither a startup nor a liveness probe: nothing ends a start that hangs",
            help=HELP,
            severity="info",
        )
        return
    yield from killed(case, probes["liveness"])


def killed(case: Case, probe: Probe) -> Iterator[Finding]:
    """The time that a probe grants against the time that loading takes."""
    granted, needed = probe.delay + probe.period * probe.failures, start_seconds(case)
    if needed is None:
        if granted < ENOUGH:
            yield case.finding(
                f"the {probe.kind} probe restarts the server when it is not up after {granted:.0f} s",
                probe.span,
                note="large models take minutes to load",
                help=HELP,
                severity="warning",
            )
        return
    fast, slow = needed
    if granted < slow:
        surely = granted < fast
        yield case.finding(
            f"the {probe.kind} probe restarts the server after {granted:.0f} s, before the model is loaded"
            if surely
            else f"the {probe.kind} probe restarts the server when it is not up after {granted:.0f} s",
            probe.span,
            note=f"loading takes about {fast:.0f} s from a local disk, {slow:.0f} s from a slow one or the Hub",
            help=HELP,
            severity="error" if surely else "warning",
        )
