r"""The container may do whatever root may do on the node.

vLLM needs GPUs, and `privileged` or the capability `SYS_ADMIN` gives everything else along with them: a flaw in the
server, or code that comes with a checkpoint, then owns the node and every other container on it. GPUs are given by
resources or `--gpus`; InfiniBand needs `IPC_LOCK` only.

Example:
    ```sh
    docker run --privileged --gpus all --ipc=host -p 127.0.0.1:8000:8000 -v /srv/hf:/root/.cache/huggingface \
      vllm/vllm-openai:v0.33.0 Qwen/Qwen3-8B --max-model-len 16384
    ```

Use instead:
    ```sh
    docker run --gpus all --ipc=host -p 127.0.0.1:8000:8000 -v /srv/hf:/root/.cache/huggingface \
      vllm/vllm-openai:v0.33.0 Qwen/Qwen3-8B --max-model-len 16384
    ```
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llmtune.calc.case import Case
    from llmtune.spec.finding import Finding

SEVERITY = "warning"

TOO_MUCH = frozenset({"SYS_ADMIN", "ALL"})
NEED_IT = frozenset({"tpu", "gaudi", "intel", "ascend", "neuron"})  # their drivers' guides ask for it


def check(case: Case) -> Iterator[Finding]:
    """Privileged, or a capability that comes to the same."""
    severity = "info" if case.facts.image is not None and case.facts.image.vendor in NEED_IT else "warning"
    if case.value_of(case.around.privileged) is True:
        yield case.finding(
            "a privileged container may do anything on the node",
            case.around.privileged,
            help="leave it out; GPUs are given by resources or --gpus",
            severity=severity,
        )
    for fact in case.around.capabilities:
        name = str(fact.value).upper().removeprefix("CAP_")
        if name in TOO_MUCH:
            yield case.finding(
                f"with the capability {name} the container may do almost anything on the node",
                fact,
                help="leave it out; IPC_LOCK is enough for InfiniBand",
                severity=severity,
            )
