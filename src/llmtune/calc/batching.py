"""How many tokens one step may hold (T) and how many requests may run at once (S).

Source: vLLM 0.33.0 engine/arg_utils.py::get_batch_defaults, _set_default_max_num_seqs_and_batched_tokens_args; 0.6.6
config.py::SchedulerConfig for v0. Taken as ``vllm serve`` does; the offline ``LLM()`` class has larger defaults.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.calc import traits
from llmtune.calc.runner import speculative_method
from llmtune.calc.switches import classes, on, size, word
from llmtune.spec.record import dataclass

if TYPE_CHECKING:
    from collections.abc import Mapping

    from llmtune.calc.settings import Settings
    from llmtune.spec.engine import EngineVersion
    from llmtune.spec.hardware import Gpu
    from llmtune.spec.model import Model

GIB = 2**30
# Tokens of the largest item of a model whose images must not be cut (32 frames of 78 tokens). The engine asks the
# model's processor; seen with 0.33.0 on an L4, where the default of 2048 becomes 2496.
LARGEST_ITEM = {"Gemma4ForConditionalGeneration": 2496}
BATCHED_BACKENDS = frozenset({"deepep_low_latency", "nixl_ep", "pplx"})


@dataclass(frozen=True, slots=True)
class Basis:
    """What the limits of a batch depend on."""

    settings: Settings
    model: Model
    gpu: Gpu
    engine: EngineVersion
    runner: str
    max_model_len: int


@dataclass(frozen=True, slots=True)
class Limits:
    """T and S, with where they come from."""

    tokens: int
    tokens_from: str
    seqs: int
    seqs_from: str


def chunks_prefill(basis: Basis) -> bool:
    """Whether long prompts are cut into several steps."""
    asked = basis.settings.flag("enable-chunked-prefill")
    if traits.is_encoder_decoder(basis.model):
        return False
    if basis.runner == "v0":
        return _chunks_v0(basis) if asked is None else asked
    if word(basis.engine, "default.chunked_prefill") == "forced":
        return True
    return not traits.is_encoder(basis.model) if asked is None else asked


def batch_limits(basis: Basis, *, chunked: bool) -> Limits:
    """T and S of a deployment.

    Example:
        Qwen3-8B at its 40,960 tokens on one L4 under 0.33.0: the smallest class gives T 2048 and S 256.
        With ``--max-num-seqs 1 --max-model-len 1024`` T is min(1 x 1024, 2048) = 1024.

    """
    found = _class_of(basis)
    factor = 2 if _doubles(basis) else 1
    set_tokens = basis.settings.integer("max-num-batched-tokens")
    set_seqs = basis.settings.integer("max-num-seqs")
    tokens, tokens_from = _tokens(basis, found, chunked=chunked, factor=factor)
    seqs = int(str(found["seqs"])) * factor if set_seqs is None else set_seqs
    if set_tokens is not None:
        tokens, tokens_from = set_tokens, "set"
    elif on(basis.engine, "default.tokens_at_most_requests") and basis.runner != "v0":
        tokens = min(seqs * basis.max_model_len, tokens)
    seqs_from = "GPU class" if set_seqs is None else "set"
    if set_seqs is None and on(basis.engine, "default.seqs_at_most_tokens") and basis.runner != "v0":
        seqs_from = "GPU class" if seqs <= tokens else "calculated"
        seqs = min(seqs, tokens)
    return Limits(tokens, tokens_from, seqs, seqs_from)


def _tokens(basis: Basis, found: Mapping[str, object], *, chunked: bool, factor: int) -> tuple[int, str]:
    if basis.runner == "v0":
        return _tokens_v0(basis, found, chunked=chunked)
    tokens, origin = int(str(found["tokens"])), "GPU class"
    if _batches_experts(basis):
        tokens, origin = size(basis.engine, "default.batched_dp_tokens"), "engine default"
    tokens *= factor
    if not chunked and tokens < basis.max_model_len:
        tokens, origin = basis.max_model_len, "calculated"
    floor = _item_floor(basis)
    return (floor, "model") if floor > tokens else (tokens, origin)


def _tokens_v0(basis: Basis, found: Mapping[str, object], *, chunked: bool) -> tuple[int, str]:
    tokens = int(str(found["tokens"]))
    if not chunked:
        tokens = max(basis.max_model_len, size(basis.engine, "default.context_tokens_floor"))
    if basis.model.multimodal:
        tokens = max(tokens, _multimodal_floor_v0(basis))
    return tokens, "engine default" if chunked else "calculated"


def _multimodal_floor_v0(basis: Basis) -> int:
    own = "default.v0_multimodal_tokens_floor"
    return size(basis.engine, own if own in basis.engine.behaviour else "default.multimodal_tokens_floor")


def _chunks_v0(basis: Basis) -> bool:
    """v0 cuts prompts only for long contexts, and only of plain models."""
    if basis.max_model_len <= size(basis.engine, "default.long_context"):
        return False
    plain = not (basis.model.multimodal or traits.windows(basis.model) or traits.uses_latents(basis.model))
    return plain and speculative_method(basis.settings) is None and not basis.settings.flag("enable-lora")


def _class_of(basis: Basis) -> Mapping[str, object]:
    """The class of GPUs this one belongs to: the first whose conditions it meets."""
    switch = "default.batch_classes"
    if basis.runner == "v0" and "default.v0_batch_classes" in basis.engine.behaviour:
        switch = "default.v0_batch_classes"
    return next(case for case in classes(basis.engine, switch) if _belongs(basis.gpu, case))


def _belongs(gpu: Gpu, case: Mapping[str, object]) -> bool:
    product = gpu.product.lower()
    named, excluded = case.get("named"), case.get("not_named")
    if isinstance(named, list) and not any(name in product for name in named):
        return False
    if isinstance(excluded, list) and any(name in product for name in excluded):
        return False
    if gpu.capability and case.get("not_capability") == gpu.capability:
        return False
    return gpu.total_memory >= int(str(case["total_gib"])) * GIB


def _doubles(basis: Basis) -> bool:
    return on(basis.engine, "default.performance_mode") and basis.settings.text("performance-mode") == "throughput"


def _batches_experts(basis: Basis) -> bool:
    """Whether experts receive fixed-size batches from all data parallel ranks (config/parallel.py)."""
    return (
        bool(size(basis.engine, "default.batched_dp_tokens"))
        and basis.settings.text("all2all-backend") in BATCHED_BACKENDS
        and bool(basis.settings.flag("enable-expert-parallel"))
        and (basis.settings.integer("data-parallel-size") or 1) > 1
    )


def _item_floor(basis: Basis) -> int:
    if not on(basis.engine, "default.prefix_lm_floor") or basis.settings.flag("language-model-only"):
        return 0
    if not traits.sees_images_both_ways(basis.model):
        return 0
    return LARGEST_ITEM.get(basis.model.architecture, 0)
