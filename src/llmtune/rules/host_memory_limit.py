r"""The container's memory limit is below what the server keeps or reads in host memory.

`--cpu-offload-gb` (for each rank), `--swap-space` and `--kv-offloading-size` are host memory that is never given back;
with a limit below them the container is killed. The files of the weights are read through the page cache, which counts
against the limit as well, beside the 4 GiB or so (assumed) that the processes themselves take: below the sum of both
loading slows down, or the container is killed where the pages are not given back in time.

Example:
    ```sh
    docker run --gpus all --ipc=host --memory 16g -p 127.0.0.1:8000:8000 -v /srv/hf:/root/.cache/huggingface \
      vllm/vllm-openai:v0.33.0 Qwen/Qwen3-8B --max-model-len 16384
    ```

Use instead:
    ```sh
    docker run --gpus all --ipc=host --memory 32g -p 127.0.0.1:8000:8000 -v /srv/hf:/root/.cache/huggingface \
      vllm/vllm-openai:v0.33.0 Qwen/Qwen3-8B --max-model-len 16384
    ```
"""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING

from llmtune.calc.container import ranks_of, wants_cpu
from llmtune.calc.loading import weight_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llmtune.calc.case import Case
    from llmtune.spec.finding import Finding

SEVERITY = "warning"
CONFIDENCE = "likely"

GIB = 2**30
PROCESSES = 4 * GIB
PAGED = frozenset({None, "auto", "safetensors"})  # load formats that read whole files through the page cache


def check(case: Case) -> Iterator[Finding]:
    """The limit against what is kept, and against what is read."""
    limit: int | None = case.value_of(case.around.memory_limit)
    if limit is None or case.around.nodes is not None or wants_cpu(case):
        return
    kept = offloaded(case)
    size = weight_bytes(case.model) if case.model is not None else None
    if kept and kept + PROCESSES > limit:
        yield case.finding(
            f"the container may use {gib(limit)} of memory, and vLLM keeps {gib(kept)} in host memory",
            case.around.memory_limit,
            note=f"and its processes about {gib(PROCESSES)}",
            help="raise the limit",
        )
    elif size is not None and case.deployment.value("load-format") in PAGED and size + kept + PROCESSES > limit:
        yield case.finding(
            f"the container may use {gib(limit)} of memory, little for loading {gib(size)} of weights",
            case.around.memory_limit,
            note=f"the processes themselves take about {gib(PROCESSES)}",
            help=f"raise the limit above {gib(size + kept + PROCESSES)}",
            confidence="possible",
        )


def offloaded(case: Case) -> int:
    """Bytes of host memory that settings reserve; what is hidden counts nothing."""
    ranks = ranks_of(case) or 1
    each = (case.number("cpu-offload-gb") or 0) + (case.number("swap-space") or 0)
    together = each * ranks + (case.number("kv-offloading-size") or 0)
    return int(together * GIB) if isfinite(together) else 0


def gib(size: int) -> str:
    """Bytes as messages give them."""
    return f"{size / GIB:.1f} GiB"
