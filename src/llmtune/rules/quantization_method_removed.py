"""The release no longer has this quantisation method.

Methods leave vLLM with their kernels: bitsandbytes with 0.28.0 and GGUF with 0.24.0, both for plug-ins; hqq, rtn and
deepspeedfp with 0.15.0, bitblas and ipex with 0.16.0, AQLM with 0.10.1, Marlin's own format with 0.10.2 (vLLM RFC
39583 and model_executor/layers/quantization/__init__.py of the releases). The engine then says "Unknown quantization
method".

Example:
    ```sh vllm-version=0.33.0
    vllm serve Qwen/Qwen3-8B --max-model-len 8192 --quantization bitsandbytes --host 127.0.0.1
    ```

Use instead:
    ```sh vllm-version=0.33.0
    vllm serve Qwen/Qwen3-8B-FP8 --max-model-len 8192 --host 127.0.0.1
    ```
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llmtune.calc.case import Case
    from llmtune.spec.finding import Finding
    from llmtune.spec.history import MethodHistory

SEVERITY = "error"
FLAG = "quantization"
FORMAT = "load-format"


def check(case: Case) -> Iterator[Finding]:
    """The flag, the loader, or the checkpoint itself."""
    history = case.facts.history
    for flag, find in ((FLAG, history.method_history), (FORMAT, history.load_format_history)):
        name = case.settings.text(flag)
        if name and not _is_choice(case, flag) and _is_gone(case, find(name)):
            yield _finding(case, name, flag, find(name))
            return
    stored = case.model.quantization if case.model is not None else None
    if stored and not case.deployment.has(FLAG) and case.refusal("known") is not None:
        known = history.method_history(stored)
        if _is_gone(case, known):
            yield _finding(case, stored, "", known)


def _is_choice(case: Case, flag: str) -> bool:
    """Whether the release's parser has a list of names, and says itself that another is none of them."""
    option = case.engine.options.get(flag)
    return option is not None and bool(option.choices)


def _is_gone(case: Case, known: MethodHistory | None) -> bool:
    """Whether a release had it once and this one no longer has."""
    return known is not None and known.gone is not None and case.facts.history.within(case.engine, known.gone, None)


def _finding(case: Case, name: str, flag: str, known: MethodHistory) -> Finding:
    return case.finding(
        f"{name} is gone since vLLM {known.gone}",
        case.setting(flag) if flag else case.model_word,
        note="" if flag else "the checkpoint is stored in it",
        help=known.advice or "serve a checkpoint in another format",
        severity="" if case.release_known else "warning",
        confidence="" if case.release_known else "likely",
    )
