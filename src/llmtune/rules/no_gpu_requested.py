r"""The container runs vLLM for CUDA and is given no GPU.

A container sees only the GPUs that the file asks for. Without any, vLLM stops with "Failed to infer device type" or
"No CUDA GPUs are available"; in Kubernetes the pod may also land on a node that has none.

Example:
    ```sh
    docker run --ipc=host -p 127.0.0.1:8000:8000 -v /srv/hf:/root/.cache/huggingface \
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

from llmtune.calc.container import is_cuda_image, wants_cpu

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llmtune.calc.case import Case
    from llmtune.spec.finding import Finding

SEVERITY = "error"
CONFIDENCE = "likely"
NEEDS = ("container",)

HELP = {
    "docker": "add --gpus all",
    "compose": "reserve them under deploy.resources.reservations.devices, or set 'gpus: all'",
    "quadlet": "add 'AddDevice=nvidia.com/gpu=all'",
    "kubernetes": "set 'nvidia.com/gpu' under resources.limits",
}


def check(case: Case) -> Iterator[Finding]:
    """A CUDA image of vLLM, and nothing that gives GPUs."""
    around = case.around
    if (
        not is_cuda_image(case)
        or wants_cpu(case)
        or around.all_gpus
        or around.gpus is not None
        or around.gpu_ids is not None
    ):
        return
    if case.value_of(around.privileged) is True:
        return
    yield case.finding(
        "the container is given no GPU, and this image needs one",
        around.image,
        help=HELP.get(around.platform, ""),
    )
