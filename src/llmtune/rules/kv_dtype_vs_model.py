"""The KV cache's dtype does not go with the model's.

A 16-bit KV cache must have the dtype that the model computes in: since 0.33 "kv_cache_dtype="float16" is incompatible
with dtype="bfloat16"" (vLLM 0.33.0, config/vllm.py). 4-bit caches (nvfp4) are made for some kinds of attention only,
and for others no backend is found. `auto` is right for both. Formats with kernels of their own (turboquant_*,
octave_*, ultraquant_*) are not judged.

Example:
    ```sh vllm-version=0.33.0
    vllm serve Qwen/Qwen3-8B --max-model-len 8192 --kv-cache-dtype float16 --dtype bfloat16 --host 127.0.0.1
    ```

Use instead:
    ```sh vllm-version=0.33.0
    vllm serve Qwen/Qwen3-8B --max-model-len 8192 --kv-cache-dtype auto --dtype bfloat16 --host 127.0.0.1
    ```
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.calc.mending import set_to
from llmtune.calc.resolve import DTYPES
from llmtune.calc.switches import on
from llmtune.rules.fp8_kv_unsupported import refused_by_kernels

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llmtune.calc.case import Case
    from llmtune.spec.finding import Finding

SEVERITY = "error"
FLAG = "kv-cache-dtype"
DTYPE = "dtype"
SIXTEEN = frozenset({"float16", "bfloat16"})
# Of others (turboquant, octave, ultraquant) it is not known here which kernels read them.
KNOWN = frozenset({"nvfp4", "nvfp4_4over6", "nvfp4_ds_mla", "int4_per_token_head", "int8_per_token_head"})


def check(case: Case) -> Iterator[Finding]:
    """Two 16-bit types that differ, and other types that no kernel of the model reads."""
    kv, setting = case.settings.text(FLAG), case.setting(FLAG)
    if kv is None or kv.startswith("fp8") or not case.in_sight(FLAG, DTYPE):
        return
    if case.refusal("same-kv-dtype") is not None and case.outline is not None:
        message = f"a {kv} KV cache does not go with a model in {case.outline.dtype}"
    elif case.model is None and _differ(case, kv):
        message = f"a {kv} KV cache does not go with --dtype {case.settings.text(DTYPE)}"
    elif kv in KNOWN and refused_by_kernels(case):
        message = f"no attention kernel for this model reads a {kv} KV cache"
    else:
        return
    yield case.finding(message, setting, help="set --kv-cache-dtype auto", fix=set_to(setting, "auto"))


def _differ(case: Case, kv: str) -> bool:
    """Whether both are stated and unequal."""
    asked = case.settings.text(DTYPE) or "auto"
    dtype = DTYPES.get(asked, asked)
    return kv in SIXTEEN and dtype not in {"auto", kv} and on(case.engine, "validity.kv_dtype_matches")
