"""An embedding or reranking model is told to generate text.

Models that give vectors or scores run with `--runner pooling`, which vLLM chooses by itself; `--runner generate` stops
it: "Embedding models do not support `--runner generate`". Where the architecture is that of a chat model, as for
Qwen3-Embedding, it starts and gives text that means nothing (vLLM 0.33.0, config/model.py, ModelConfig; the flags
replace `--task`, which went in 0.13.0).

Example:
    ```sh
    vllm serve Qwen/Qwen3-Embedding-0.6B --runner generate --max-model-len 8192 --host 127.0.0.1
    ```

Use instead:
    ```sh
    vllm serve Qwen/Qwen3-Embedding-0.6B --runner pooling --max-model-len 8192 --host 127.0.0.1
    ```
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from llmtune.calc.mending import set_to

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llmtune.calc.case import Case
    from llmtune.spec.finding import Finding

SEVERITY = "error"
CONFIDENCE = "likely"
SINCE = "0.10.1"
NAMES = re.compile(r"embed|rerank|[-_/]bge-|[-_/](multilingual-)?e5-|[-_/]gte-|colbert", re.IGNORECASE)
# Architectures of vLLM 0.33.0, model_executor/models/registry.py, that only pool.
ENDINGS = ("ForSequenceClassification", "ForTokenClassification", "ForRewardModel", "ForProcessRewardModel")
WHOLE = frozenset({"BertModel", "RobertaModel", "XLMRobertaModel", "ModernBertModel", "NomicBertModel", "GteModel",
                   "GteNewModel", "Gemma3TextModel", "LlamaModel", "MistralModel", "Qwen2Model"})  # fmt: skip


def check(case: Case) -> Iterator[Finding]:
    """The runner is set, and the model's name or architecture says that it pools."""
    runner = case.setting("runner")
    if runner is None or runner.value not in {"generate", "draft"}:
        return
    name = case.deployment.model
    architecture = case.model.architecture if case.model is not None else ""
    only_pools = architecture in WHOLE or architecture.endswith(ENDINGS)
    if not only_pools and not NAMES.search(f"/{name}"):
        return
    yield case.finding(
        f"{name} gives vectors or scores, but --runner is {runner.value}",
        runner,
        help="set --runner pooling",
        fix=set_to(runner, "pooling"),
        confidence="certain" if only_pools else "",
    )
