"""Without `--max-model-len` the context is the model's own, however long.

Every request may then take that much of the KV cache, and the start fails where one does not fit. Most models state
32,768 tokens or far more (Llama 3.1: 131,072; Qwen3-Coder: 262,144), and few requests are as long. Set the length that
requests need, or `auto` (since 0.14), which takes the longest that fits. Where the GPU is known, it is an info if one
request of the full length fits, and nothing is said if several do (vLLM 0.33.0, config/model.py,
_get_and_verify_max_len).

Example:
    ```sh
    vllm serve Qwen/Qwen3-8B --host 127.0.0.1
    ```

Use instead:
    ```sh
    vllm serve Qwen/Qwen3-8B --max-model-len 16384 --host 127.0.0.1
    ```
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from llmtune.calc import traits
from llmtune.calc.runner import pools
from llmtune.calc.switches import on
from llmtune.calc.trials import POOLING
from llmtune.spec.word import is_unknown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llmtune.calc.case import Case
    from llmtune.spec.finding import Finding
    from llmtune.spec.model import Model

SEVERITY = "warning"
CONFIDENCE = "likely"
NEEDS = ("arguments",)
FLAG = "max-model-len"
LONG = 32768  # tokens
ENOUGH = 4.0  # requests of full length that fit at once


def check(case: Case) -> Iterator[Finding]:
    """A long native context that nobody has limited; that it does not fit is kv-below-one-request's."""
    if not case.unset(FLAG) or POOLING.search(case.deployment.model):
        return
    model = case.model or namesake(case)
    if model is None or not traits.generates(model) or pools(case.settings, model):
        return
    length = model.default_context or model.max_context
    memory = case.memory
    if length < LONG or (memory is not None and memory.verdict != "yes"):
        return
    note = f"{model.id} has {length} tokens"
    if memory is not None:
        kv = memory.kv
        if kv is None or not kv.groups or kv.max_concurrency >= ENOUGH:
            return
        note += f", of which {kv.max_concurrency:.1f} requests fit at once"
    auto = on(case.engine, "default.auto_max_model_len")
    yield case.finding(
        f"no --max-model-len: every request may take {length} tokens of KV cache",
        case.model_word,
        note=note,
        help=f"set the length that requests need{', or --max-model-len auto' if auto else ''}",
        severity="info" if memory is not None else "",
        confidence="" if case.model is not None else "possible",
    )


def namesake(case: Case) -> Model | None:
    """The known model whose name a local path ends in (``/models/Llama-3.2-3B-Instruct``)."""
    path = case.deployment.model
    if "/" not in path.rstrip("/") or is_unknown(path) or not path.startswith(("/", ".", "~")):
        return None
    return case.facts.find_model(replace(case.deployment, model=path.rstrip("/").rpartition("/")[2]))
