"""Gives every module of a 16-bit model the storage format that its checkpoint's quantisation config says.

Layers that were identical may differ afterwards (mixed precision), so the layer groups are made anew.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from llmtune.architectures.parts import pattern_of
from llmtune.spec.weights import BF16, Embedding, Experts, Linear, Vector

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from llmtune.architectures.quantization import Quantization
    from llmtune.spec.model import Model
    from llmtune.spec.weights import Module

QUANTIZATION_KEYS = ("quantization_config", "compression_config")


def quantize(model: Model, config: Mapping[str, Any], hf_quant_config: Mapping[str, Any] | None) -> Model:
    """The model as its checkpoint stores it."""
    if hf_quant_config is None and not any(key in part for part in _parts(config) for key in QUANTIZATION_KEYS):
        return model
    from llmtune.architectures.quantization import read_quantization  # noqa: PLC0415 - 16-bit models start faster

    quantization = read_quantization(config, hf_quant_config)
    return model if quantization is None else apply(model, quantization)


def quantize_online(model: Model, method: str) -> Model:
    """The model after ``--quantization METHOD`` on a 16-bit checkpoint."""
    from llmtune.architectures.quantization import online  # noqa: PLC0415

    return apply(model, online(method))


def _parts(config: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """A config and the configs nested in it."""
    yield config
    for inner in config.values():
        if isinstance(inner, dict):
            yield inner


def apply(model: Model, quantization: Quantization) -> Model:
    """Every module with the format that the quantisation gives it."""
    layers = []
    for depth, number in enumerate(model.pattern):
        prefix = f"{model.layer_prefix}.{depth}."
        group = model.groups[number]
        layers.append(replace(group, modules=_formatted(group.modules, quantization, prefix)))
    drafts = []
    for depth, group in enumerate(model.draft, start=len(layers)):
        modules = _formatted(group.modules, quantization, model.draft_prefix.format(depth))
        if quantization.method == "modelopt_fp4":  # qwen3_5_mtp.py: this layer is never stored in NVFP4
            modules = tuple(replace(m, format=BF16) if isinstance(m, Linear) and m.name == "fc" else m for m in modules)
        drafts.append(replace(group, modules=modules))
    groups, pattern = pattern_of(layers)
    return replace(
        model,
        groups=groups,
        pattern=pattern,
        embedding=_formatted(model.embedding, quantization),
        head=_formatted(model.head, quantization),
        towers=_formatted(model.towers, quantization),
        draft=tuple(drafts),
        quantization=quantization.method,
        kv_cache_dtype=quantization.kv_cache_dtype,
        refusal=quantization.refusal,
    )


def _formatted(modules: Iterable[Module], quantization: Quantization, prefix: str = "") -> tuple[Module, ...]:
    return tuple(_format(module, quantization, prefix) for module in modules)


def _format(module: Module, quantization: Quantization, prefix: str) -> Module:
    if isinstance(module, Vector) or getattr(module, "fixed", False):
        return module
    kind: Literal["linear", "experts", "lm_head", "embedding"]
    match module:
        case Experts():
            kind = "experts"
        case Embedding():
            kind = "lm_head" if "lm_head" in module.name else "embedding"
        case Linear():
            kind = "linear"
    stored = quantization.format_of(prefix + module.name, kind)
    # What the checkpoint leaves unquantised keeps its own width (32-bit routers).
    return module if stored == BF16 else replace(module, format=stored)
