"""`--block-size` shuts out the best attention backend.

Every attention kernel reads blocks of certain sizes. Left to itself the engine takes the best kernel for model and GPU
and a block size that suits it; a size that is set leaves only kernels that read it: "--block-size 16 precluded
higher-priority backend(s) ... which may result in reduced performance" (since 0.18.0; vLLM 0.33.0, platforms/cuda.py,
get_attn_backend_cls).

Example:
    ```sh gpu=b200-sxm
    vllm serve deepseek-ai/DeepSeek-V2-Lite-Chat --max-model-len 8192 --block-size 16 --host 127.0.0.1
    ```

Use instead:
    ```sh gpu=b200-sxm
    vllm serve deepseek-ai/DeepSeek-V2-Lite-Chat --max-model-len 8192 --host 127.0.0.1
    ```
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from llmtune.calc import traits
from llmtune.calc.attention_backend import Backend, choose_backend
from llmtune.calc.kv_specs import describe_site
from llmtune.calc.mending import without
from llmtune.spec.model import Latent

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llmtune.calc.case import Case
    from llmtune.spec.finding import Finding

SEVERITY = "warning"
CONFIDENCE = "likely"
SINCE = "0.19.0"
NEEDS = ("memory",)
FLAG = "block-size"


def check(case: Case) -> Iterator[Finding]:
    """Layers that would take another backend if no size were set."""
    if case.number(FLAG) is None or case.settings.text("attention-backend") is not None:
        return
    for taken, best in _backends(case):
        if taken.name != best.name:
            yield case.finding(
                f"blocks of {case.number(FLAG):g} tokens shut out {best.name}",
                case.setting(FLAG),
                note=f"{taken.name} is taken instead",
                help="remove --block-size",
                fix=without(case.setting(FLAG)),
            )
            return


def _backends(case: Case) -> Iterator[tuple[Backend, Backend]]:
    """For each kind of latent attention the backend that is taken, and the one for a block size that is free.

    Other layers: the backends that read large blocks only are too new to be judged for every release.
    """
    model, hardware, resolved = case.model, case.hardware, case.resolved
    if model is None or hardware is None or resolved is None or hardware.gpu.compute_capability is None:
        return
    caches = tuple(dict.fromkeys(cache for cache in traits.caches(model) if isinstance(cache, Latent)))
    site = describe_site(caches, model, resolved=resolved, gpu=hardware.gpu, behaviour=case.engine.behaviour)
    for cache in caches:
        taken, best = choose_backend(cache, site), choose_backend(cache, replace(site, block_size=None))
        if isinstance(taken, Backend) and isinstance(best, Backend):
            yield taken, best
