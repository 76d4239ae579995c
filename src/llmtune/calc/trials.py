"""What another setting would make of a case: each is resolved and estimated like the case itself."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from llmtune.calc import traits
from llmtune.calc.candidates import LENGTH_STEP
from llmtune.calc.case import UNNAMED
from llmtune.calc.errors import Refused
from llmtune.calc.memory import estimate_memory
from llmtune.calc.resolve import resolve
from llmtune.calc.switches import on, word
from llmtune.calc.ways_out import last_true
from llmtune.spec.deployment import Setting

if TYPE_CHECKING:
    from collections.abc import Mapping

    from llmtune.calc.case import Case
    from llmtune.spec.deployment import Deployment, Value
    from llmtune.spec.memory import Memory

# Names of models that are not known here: some defaults are others where layers are recurrent, and where nothing is
# generated.
HYBRID = re.compile(
    r"mamba|jamba|zamba|bamba|falcon-?h|granite-?4|nemotron|lfm|minimax|linear|qwen3[-._]?(next|[5-9])", re.IGNORECASE
)
POOLING = re.compile(r"embed|rerank|reward|bert\b|\bbge|\bgte|\be5\b|whisper", re.IGNORECASE)
SPLITS = (1, 2, 4, 8)  # tensor parallel sizes that are tried


def changed(deployment: Deployment, settings: Mapping[str, Value]) -> Deployment:
    """A deployment with other values of some settings; None takes one out."""
    kept = tuple(item for item in deployment.settings if item.flag not in settings)
    given = tuple(Setting(flag, value) for flag, value in settings.items() if value is not None)
    return replace(deployment, settings=(*kept, *given))


def default_switch(case: Case, flag: str) -> bool | None:
    """Whether the engine has prefix caching or chunked prefill on by itself; None where that hangs on what is unknown.

    A model that is not known is taken for one that generates with attention alone, unless its name or a flag says
    otherwise. A server that is told to use the old engine (``VLLM_USE_V1=0``) has other defaults.
    """
    if case.variable("VLLM_USE_V1") is not None and case.settings.variable("VLLM_USE_V1") is not True:
        return None
    if case.model is None:
        return _by_name(case, flag)
    if not traits.generates(case.model):
        return None
    try:
        found = resolve(changed(case.deployment, {flag: None}), case.model, case.hardware or UNNAMED, case.engine)
    except (Refused, ValueError, ArithmeticError):
        return None
    return found.prefix_caching if flag == "enable-prefix-caching" else found.chunked_prefill


def _by_name(case: Case, flag: str) -> bool | None:
    name = case.deployment.model
    if POOLING.search(name) or any(case.deployment.has(other) for other in ("task", "runner", "convert")):
        return None
    if flag == "enable-chunked-prefill":
        return True if word(case.engine, "default.chunked_prefill") in {"forced", "always"} else None
    hybrid = on(case.engine, "default.prefix_caching_hybrid")
    return on(case.engine, "default.prefix_caching") if hybrid or not HYBRID.search(name) else None


def memory_with(case: Case, settings: Mapping[str, Value], *, gpus: int | None = None) -> Memory | None:
    """The memory plan with other settings, and on another number of GPUs; None where a fact is missing."""
    if case.model is None or case.hardware is None or case.resolved is None:
        return None
    deployment = changed(case.deployment, settings)
    hardware = case.hardware if gpus is None else replace(case.hardware, gpus_per_node=gpus)
    try:
        resolved = resolve(deployment, case.model, hardware, case.engine)
        return estimate_memory(deployment, case.model, resolved, hardware, case.engine)
    except (Refused, ValueError, ArithmeticError):
        return None


def starts_with(case: Case, settings: Mapping[str, Value], *, gpus: int | None = None) -> bool:
    """Whether the engine surely starts with other settings: too close to call is no."""
    memory = memory_with(case, settings, gpus=gpus)
    return memory is not None and memory.verdict == "yes"


def longest_context(case: Case, settings: Mapping[str, Value] | None = None) -> int | None:
    """The longest context, in steps of 1024 tokens, that surely starts and is shorter than the one in force."""
    if case.resolved is None:
        return None
    others = settings or {}
    most = (case.resolved.max_model_len - 1) // LENGTH_STEP
    steps = last_true(lambda steps: starts_with(case, {**others, "max-model-len": steps * LENGTH_STEP}), most)
    return steps * LENGTH_STEP if steps else None


def smallest_split(case: Case) -> int | None:
    """The smallest tensor parallel size above the present one that surely starts, with as many GPUs as it takes."""
    if case.resolved is None:
        return None
    for size in SPLITS:
        gpus = size * case.resolved.pipeline_parallel * case.resolved.data_parallel
        if size > case.resolved.tensor_parallel and starts_with(case, {"tensor-parallel-size": size}, gpus=gpus):
            return size
    return None
