"""A variable stands where nothing puts its value in.

Kubernetes replaces `$(NAME)` in `env`, `command` and `args` and nothing else: `$NAME` and `${NAME}` reach the program
as they are, and so does `$(NAME)` when no variable of that name is set in the same container. The exec form of a
Dockerfile and lists in Compose run no shell either.

Example:
    ```yaml
    apiVersion: v1
    kind: Pod
    metadata:
      name: qwen
    spec:
      containers:
        - name: vllm
          image: vllm/vllm-openai:v0.33.0
          args: [Qwen/Qwen3-8B, --served-model-name, "${NAME}", --max-model-len=8192]
          env:
            - name: NAME
              value: chat
          resources:
            limits: {nvidia.com/gpu: 1}
          readinessProbe: {httpGet: {path: /health, port: 8000}}
          startupProbe: {httpGet: {path: /health, port: 8000}, periodSeconds: 10, failureThreshold: 180}
          volumeMounts:
            - {name: cache, mountPath: /root/.cache}
            - {name: shm, mountPath: /dev/shm}
      volumes:
        - {name: cache, persistentVolumeClaim: {claimName: cache}}
        - {name: shm, emptyDir: {medium: Memory, sizeLimit: 2Gi}}
    ```

Use instead:
    ```yaml
    apiVersion: v1
    kind: Pod
    metadata:
      name: qwen
    spec:
      containers:
        - name: vllm
          image: vllm/vllm-openai:v0.33.0
          args: [Qwen/Qwen3-8B, --served-model-name, $(NAME), --max-model-len=8192]
          env:
            - name: NAME
              value: chat
          resources:
            limits: {nvidia.com/gpu: 1}
          readinessProbe: {httpGet: {path: /health, port: 8000}}
          startupProbe: {httpGet: {path: /health, port: 8000}, periodSeconds: 10, failureThreshold: 180}
          volumeMounts:
            - {name: cache, mountPath: /root/.cache}
            - {name: shm, mountPath: /dev/shm}
      volumes:
        - {name: cache, persistentVolumeClaim: {claimName: cache}}
        - {name: shm, emptyDir: {medium: Memory, sizeLimit: 2Gi}}
    ```
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from llmtune.rules import reported

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llmtune.calc.case import Case
    from llmtune.spec.finding import Finding
    from llmtune.spec.span import Span

SEVERITY = "warning"


VARIABLE = re.compile(r"\$(\w+|\{\w+\})")


def check(case: Case) -> Iterator[Finding]:
    """What the reader finds, and a model that is called like a variable."""
    found = list(reported(case, "literal-variable"))
    yield from found
    word = case.model_word
    if word is None or word.span is None or not VARIABLE.fullmatch(word.text):
        return
    if not any(_holds(finding.span, word.span) for finding in found):
        message = f"{word.text!r} is a variable, and nothing here puts its value in; write the model's name"
        yield case.finding(message, word)


def _holds(outer: Span, inner: Span) -> bool:
    starts = (outer.line, outer.column) <= (inner.line, inner.column)
    return starts and (inner.end_line, inner.end_column) <= (outer.end_line, outer.end_column)
