r"""The container has 64 MB of shared memory, which worker processes fill.

The ranks of a tensor or pipeline parallel engine exchange data through /dev/shm: vLLM's own message queue (0.33.0,
distributed/device_communicators/shm_broadcast.py: 10 blocks of 16 MiB) and NCCL where two GPUs cannot reach each
other directly. A container gets 64 MB unless somebody says otherwise; NCCL then stops with "unhandled system error",
hangs, or the process dies of a bus error. With one rank it is advice only: little goes that way. Source: vLLM's docs
(deployment/docker), issue 1710.

Example:
    ```sh
    docker run --gpus all -p 127.0.0.1:8000:8000 -v /srv/hf:/root/.cache/huggingface \
      vllm/vllm-openai:v0.33.0 Qwen/Qwen3-32B --max-model-len 16384 --tensor-parallel-size 2
    ```

Use instead:
    ```sh
    docker run --gpus all --ipc=host -p 127.0.0.1:8000:8000 -v /srv/hf:/root/.cache/huggingface \
      vllm/vllm-openai:v0.33.0 Qwen/Qwen3-32B --max-model-len 16384 --tensor-parallel-size 2
    ```
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.calc.container import gpus_of, has_shared_memory, ranks_of, wants_cpu
from llmtune.spec.finding import Edit, Fix
from llmtune.spec.span import Span

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llmtune.calc.case import Case
    from llmtune.spec.deployment import Setting
    from llmtune.spec.finding import Finding
    from llmtune.spec.surroundings import Fact

SEVERITY = "error"
CONFIDENCE = "likely"
NEEDS = ("container",)

HELP = {
    "docker": "add --ipc=host or --shm-size=16g in front of the image",
    "compose": "add 'ipc: host' or 'shm_size: 16gb' to the service",
    "quadlet": "add 'ShmSize=16g', or 'PodmanArgs=--ipc=host'",
    "kubernetes": "mount an emptyDir with 'medium: Memory' and a sizeLimit at /dev/shm",
    "helm": "set vllmConfig.tensorParallelSize instead of the flag: the chart then mounts shared memory",
}


def check(case: Case) -> Iterator[Finding]:
    """No shared memory, by how many ranks there are."""
    if has_shared_memory(case) or gpus_of(case) == 0:
        return
    ranks, severity = ranks_of(case), "error"
    if ranks is None:
        if (gpus_of(case) or 1) == 1 and not case.around.all_gpus:
            return
        message, severity = "the container has 64 MB of shared memory, too little for several GPUs", "warning"
    elif ranks == 1:
        if wants_cpu(case) or case.around.platform == "helm":  # the chart adds it for more ranks
            return
        message, severity = "the container has 64 MB of shared memory; more than one GPU would need more", "info"
    else:
        message = f"{ranks} ranks share the container's 64 MB of shared memory and stop or hang when it is full"
    at = case.around.image if ranks == 1 else place(case)
    yield case.finding(message, at, help=HELP.get(case.around.platform, ""), fix=fix(case), severity=severity)


def place(case: Case) -> Setting | Fact[str] | None:
    """What asks for several ranks, else the image."""
    return case.setting("tensor-parallel-size") or case.setting("pipeline-parallel-size") or case.around.image


def fix(case: Case) -> Fix | None:
    """``--ipc=host`` in front of the image of a ``docker run``."""
    image = case.around.image
    if case.around.platform != "docker" or image is None or not isinstance(image.value, str):
        return None
    span = image.span
    if span.line != span.end_line or span.end_column - span.column != len(image.value):
        return None
    start = Span(span.file, span.line, span.column, span.line, span.column)
    return Fix("share the host's memory with the container", (Edit(start, "--ipc=host "),), safe=False)
