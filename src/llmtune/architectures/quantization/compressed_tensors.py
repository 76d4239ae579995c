"""``compressed-tensors``: config groups with targets; each group has its own scheme.

Source: vLLM 0.33.0 layers/quantization/compressed_tensors/compressed_tensors.py::CompressedTensorsConfig,
utils.py::find_matched_target, compressed_tensors_moe/compressed_tensors_moe.py::get_moe_method.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from llmtune.architectures.quantization.base import MixedShards, Quantization
from llmtune.architectures.quantization.compressed_tensors_schemes import Scheme, experts_format, linear_format
from llmtune.architectures.quantization.formats import UNQUANTIZED
from llmtune.architectures.quantization.names import is_ignored, matches_target

if TYPE_CHECKING:
    from collections.abc import Mapping

    from llmtune.architectures.quantization.base import Checkpoint, Kind
    from llmtune.architectures.quantization.names import Names
    from llmtune.spec.weights import Format

ATTENTION_BYTES = 18  # fp32 scales and 16-bit zero points of q, k and v (CompressedTensorsKVCacheMethod)
# Class names that targets such as "Linear" are sought in.
CLASSES = {
    "linear": "ColumnParallelLinear",
    "experts": "RoutedExperts",
    "lm_head": "ParallelLMHead",
    "embedding": "VocabParallelEmbedding",
}


def read(checkpoint: Checkpoint) -> Quantization:
    """Linear layers and experts by their targets; lm_head and embedding when a target names them."""
    config, names = checkpoint.config, checkpoint.names
    targets = _targets(config, names)
    ignored = [_rename(str(entry), names) for entry in config.get("ignore") or ()]

    def scheme_of(module: str, kind: Kind) -> Scheme | None:
        if is_ignored(module, ignored, names):
            return None
        target = _matched(module, kind, targets, names)
        return None if target is None else targets[target]

    def resolve(module: str, kind: Kind) -> Format:
        if kind != "experts":
            scheme = scheme_of(module, kind)
            return UNQUANTIZED if scheme is None else linear_format(scheme)
        schemes = [scheme_of(f"{module}.0.{part}", kind) for part in names.experts]
        if any(scheme != schemes[0] for scheme in schemes):
            raise MixedShards("All MoE projections need to have same quantization scheme but found multiple")
        return UNQUANTIZED if schemes[0] is None else experts_format(schemes[0])

    return Quantization(
        checkpoint.method,
        resolve,
        kv_cache_dtype="fp8" if config.get("kv_cache_scheme") else None,
        attention_bytes=ATTENTION_BYTES,
        refusal=_refusal(config),
    )


def _targets(config: Mapping[str, Any], names: Names) -> dict[str, Scheme]:
    """Scheme of every target, in the engine's names; groups that only quantise attention are left out."""
    targets = {}
    for group in (config.get("config_groups") or {}).values():
        listed = [str(target) for target in group.get("targets") or ()]
        if len(listed) == 1 and listed[0].endswith("Attention"):
            continue
        scheme = Scheme.read(group, str(config.get("format")))
        for target in listed:
            targets[_rename(target, names)] = scheme
    if "Linear" in targets:
        targets.setdefault("RoutedExperts", targets["Linear"])
    return targets


def _rename(target: str, names: Names) -> str:
    """Only module paths are renamed: not patterns, and not class names, which have no dot."""
    return names.rename(target) if "." in target and not target.startswith("re:") else target


def _matched(module: str, kind: Kind, targets: Mapping[str, Scheme], names: Names) -> str | None:
    """The target of a module: by its name, by all its parts' names, or by its class's name."""
    by_name = next((target for target in targets if matches_target(module, target)), None)
    if by_name is not None:
        return by_name
    fused = next((key for key in names.fused if module.endswith(key)), None)
    if fused is not None:
        parts = [module.replace(fused, part) for part in names.fused[fused]]
        found = [next((target for target in targets if matches_target(part, target)), None) for part in parts]
        if all(found):
            return found[0]
    return next((target for target in targets if _names_class(target, CLASSES[kind])), None)


def _names_class(target: str, name: str) -> bool:
    return matches_target(name, target) if target.startswith("re:") else target.lower() in name.lower()


def _refusal(config: Mapping[str, Any]) -> str | None:
    """Activation ordering by groups, which 0.33 no longer runs."""
    for group in (config.get("config_groups") or {}).values():
        order = (group.get("weights") or {}).get("actorder")
        if order in ("group", "dynamic"):
            return (
                f"Compressed-tensors group/dynamic activation ordering (actorder={order!r}) is no longer supported. "
                "Use a checkpoint with static/weight activation ordering or without activation ordering."
            )
    return None
