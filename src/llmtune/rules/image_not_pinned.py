r"""The image's tag moves, so the next pull may be another vLLM release.

`latest`, `nightly` or no tag at all stand for whatever was pushed last. A release removes flags, moves defaults
(`--gpu-memory-utilization` went from 0.9 to 0.92 in 0.20.0) and changes how memory is used, so a node that pulls the
image again may not start, and two replicas may run different engines. Name a release, or a digest
(https://docs.vllm.ai/en/latest/deployment/docker.html). Images without a registry or an account in their name were
built on the machine and are not judged.

Example:
    ```sh
    docker run --gpus all --ipc=host -p 127.0.0.1:8000:8000 -v /srv/hf:/root/.cache/huggingface \
      vllm/vllm-openai:latest Qwen/Qwen3-8B --max-model-len 16384
    ```

Use instead:
    ```sh
    docker run --gpus all --ipc=host -p 127.0.0.1:8000:8000 -v /srv/hf:/root/.cache/huggingface \
      vllm/vllm-openai:v0.33.0 Qwen/Qwen3-8B --max-model-len 16384
    ```
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from llmtune.spec.word import is_unknown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llmtune.calc.case import Case
    from llmtune.spec.finding import Finding

SEVERITY = "warning"

MOVING = re.compile(r"(.*[-_.])?(latest|nightly|main|master|dev|edge|head)([-_.].*)?", re.IGNORECASE)
COMMIT = re.compile(r"[0-9a-f]{7,40}|v?\d+\.\d+\.\d+.*")  # nightly-<commit> and dev builds of a release stay


def check(case: Case) -> Iterator[Finding]:
    """A tag that moves, or none."""
    image = case.value_of(case.around.image)
    if not isinstance(image, str) or "@sha256:" in image or is_unknown(image) or case.around.built:
        return
    account, _, name = image.rpartition("/")
    if not account or account == "localhost" or (case.around.platform == "dockerfile" and "vllm" not in image):
        return  # built on this machine, or a base that vLLM is put on
    tag = name.partition(":")[2]
    if tag and not is_moving(tag):
        return
    said = f"the tag '{tag}' is moved" if tag else "without a tag 'latest' is pulled, which is moved"
    yield case.finding(
        f"{said} from release to release; the next pull may bring another vLLM",
        case.around.image,
        help=f"name a release, as in {account}/{name.partition(':')[0]}:<release>, or a digest",
    )


def is_moving(tag: str) -> bool:
    """Whether a tag is pushed again and again.

    >>> is_moving("latest-cu130"), is_moving("v0.33.0-cu130"), is_moving("nightly-0f1e2d3c4b5a")
    (True, False, False)
    """
    parts = re.split(r"[-_]", tag)
    return MOVING.fullmatch(tag) is not None and not any(COMMIT.fullmatch(part) for part in parts)
