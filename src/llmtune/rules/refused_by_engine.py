r"""The engine refuses these settings.

The settings contradict each other, the model or the GPU in a way that has no rule of its own here. The note has the
engine's words, and `llmtune estimate` says the same.

Example:
    ```sh gpu=h100-sxm gpus=4
    vllm serve Qwen/Qwen3-8B --max-model-len 8192 --tensor-parallel-size 4 --decode-context-parallel-size 3 \
      --host 127.0.0.1
    ```

Use instead:
    ```sh gpu=h100-sxm gpus=4
    vllm serve Qwen/Qwen3-8B --max-model-len 8192 --tensor-parallel-size 4 --host 127.0.0.1
    ```
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from llmtune.calc.memory import SPLIT
from llmtune.rules.fp8_kv_unsupported import refused_by_kernels
from llmtune.rules.tp_quant_misaligned import misaligned

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llmtune.calc.case import Case
    from llmtune.spec.deployment import Setting
    from llmtune.spec.finding import Finding
    from llmtune.spec.memory import Failure

SEVERITY = "error"
NEEDS = ("model",)
ELSEWHERE = frozenset({  # checks that another rule reports
    "allowed-length", "matches", "known", "not-deprecated", "stable-dtype", "supported-dtype", "capable", "described",
    "computes-in", "same-kv-dtype", "heads-split", "kv-heads-split", "experts-to-share", "even-experts", "stages",
    "nodes", "too-few-gpus", "too-few-replica-gpus", "whole-prompts-fit", "one-token-each", "adapters-budget",
    "adapters",
})  # fmt: skip
BY_RELEASE = frozenset({"known-architecture", "loadable"})  # another release may take it
MEMORY = frozenset({"weights", "kv_cache", "free_memory", "cuda_graphs", "sampler", "activations"})
FLAG = re.compile(r"[a-z]+(?:[_-][a-z]+)+")


def check(case: Case) -> Iterator[Finding]:
    """What the engine's checks say first, else what stops it while it plans its memory."""
    refusals = case.refusals
    if refusals:
        first = next(iter(refusals.values()))
        split = first.check == SPLIT and misaligned(case)
        visible = case.resolved is not None or _states(case, first)
        if first.check not in ELSEWHERE and not split and visible:
            yield _finding(case, first)
        return
    failure = case.memory.failure if case.memory is not None else None
    if failure is None or failure.check or refused_by_kernels(case):
        return
    if failure.kind not in MEMORY or (failure.kind == "kv_cache" and case.memory is not None and case.memory.kv):
        yield _finding(case, failure)


def _finding(case: Case, failure: Failure) -> Finding:
    unsure = failure.check in BY_RELEASE and not case.release_known
    said = failure.engine_message.split("\n")[0]
    return case.finding(
        f"vLLM {case.release} refuses these settings",
        _named(case, failure) or case.model_word,
        note=said.rstrip("."),
        severity="warning" if unsure else "",
        confidence="likely" if unsure else "",
    )


def _named(case: Case, failure: Failure) -> Setting | None:
    """The first setting that the engine's message names."""
    words = (match.group().replace("_", "-") for match in FLAG.finditer(failure.engine_message.replace("--", " ")))
    return next((setting for name in words if (setting := case.setting(name)) is not None), None)


def _states(case: Case, failure: Failure) -> bool:
    """Whether nothing is hidden that the refusal may follow from."""
    return not case.open_ended and all(setting.known for setting in case.deployment.settings) and bool(failure.check)
