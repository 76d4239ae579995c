r"""Nothing that outlives the container is mounted where the weights are downloaded to.

The model is a name on the Hub, so vLLM downloads it to `HF_HUB_CACHE`, `HF_HOME/hub` or `--download-dir`
(`/root/.cache/huggingface/hub` in vLLM's images). That place is inside the container: every new container downloads
all of it again, a start takes minutes instead of seconds, and none happens while the Hub cannot be reached. A volume
mounted somewhere else does not help. Images that are not known to be vLLM's are not judged: they may hold the model.

Example:
    ```sh
    docker run --gpus all --ipc=host -p 127.0.0.1:8000:8000 -v /srv/models:/data \
      vllm/vllm-openai:v0.33.0 Qwen/Qwen3-8B --max-model-len 16384
    ```

Use instead:
    ```sh
    docker run --gpus all --ipc=host -p 127.0.0.1:8000:8000 -v /srv/models:/root/.cache/huggingface \
      vllm/vllm-openai:v0.33.0 Qwen/Qwen3-8B --max-model-len 16384
    ```
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.calc.container import from_hub, is_mounted, is_true, model_caches, runs_vllm
from llmtune.calc.exposure import hides_variables

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llmtune.calc.case import Case
    from llmtune.spec.finding import Finding

SEVERITY = "warning"
NEEDS = ("container",)

LOADS_NONE = frozenset({"dummy", "tensorizer"})


def check(case: Case) -> Iterator[Finding]:
    """A model of the Hub, and no mount over its cache."""
    if not runs_vllm(case) or not from_hub(case):
        return
    if is_true(case, "HF_HUB_OFFLINE") or is_true(case, "TRANSFORMERS_OFFLINE"):
        return
    if case.deployment.value("load-format") in LOADS_NONE:
        return
    if hides_variables(case) and any(mount.kind != "memory" for mount in case.around.mounts):
        return  # which may be what HF_HOME names
    caches = model_caches(case)
    if not caches or any(is_mounted(case, cache) for cache in caches):
        return
    yield case.finding(
        "the weights are downloaded again into every new container",
        case.model_word or case.around.image,
        note=f"nothing is mounted at {caches[0]}",
        help="set pvcStorage for this model"
        if case.around.platform == "helm"
        else f"mount a directory or a volume at {caches[0].removesuffix('/hub')}",
    )
