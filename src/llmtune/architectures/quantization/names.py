"""Module names: how the engine renames what a checkpoint calls its modules, and which parts it fuses.

A quantisation config speaks of the checkpoint's modules ("model.language_model.layers.0.self_attn.q_proj"), the
engine of its own ("language_model.model.layers.0.self_attn.qkv_proj").
Source: vLLM 0.33.0 model_executor/models/utils.py::WeightsMapper, layers/quantization/utils/quant_utils.py::
is_layer_skipped, utils/config_utils.py::find_matching_patterns.
"""

from __future__ import annotations

import re
from fnmatch import fnmatch
from typing import TYPE_CHECKING, Any

from llmtune.architectures.quantization.base import MixedShards
from llmtune.architectures.quantization.name_maps import EXPERT_NAMES, FUSED, PREFIXES, SUBSTRINGS, VISION_PREFIXES
from llmtune.spec.record import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

DEFAULT_FUSED = {"qkv_proj": ("q_proj", "k_proj", "v_proj"), "gate_up_proj": ("gate_proj", "up_proj")}


@dataclass(frozen=True, slots=True)
class Names:
    """A model class's renamings (old, new; None is a module that the class does not load) and fused modules."""

    fused: Mapping[str, Sequence[str]]
    prefixes: Sequence[tuple[str, str | None]] = ()
    substrings: Sequence[tuple[str, str | None]] = ()
    experts: Sequence[str] = ("gate_proj", "up_proj", "down_proj")

    def rename(self, name: str) -> str:
        """The engine's name of a checkpoint's module. What the class does not load keeps its name: drafters load it."""
        for old, new in self.substrings:
            if new is not None and old in name:
                name = name.replace(old, new, 1)
        for old, new in self.prefixes:
            if new is not None and name.startswith(old):
                name = new + name[len(old) :]
        return name

    def rename_all(self, names: Iterable[object] | None) -> list[str]:
        """Every name as the engine has it."""
        return [self.rename(name) for name in names or () if isinstance(name, str)]

    def parts(self, module: str) -> list[str]:
        """The checkpoint's modules that a fused module is made of; the module itself when it is not fused."""
        own = module.rsplit(".", 1)[-1]
        return [module.replace(own, part) for part in self.fused.get(own, (own,))]


def names_of(model: Mapping[str, Any]) -> Names:
    """Names of a model, by the architecture in its config.json."""
    architectures = model.get("architectures") or [""]
    architecture = str(architectures[0])
    vision = VISION_PREFIXES if architecture.endswith("ForConditionalGeneration") else ()
    return Names(
        fused=FUSED.get(architecture, DEFAULT_FUSED),
        prefixes=PREFIXES.get(architecture, vision),
        substrings=SUBSTRINGS.get(architecture, ()),
        experts=EXPERT_NAMES.get(architecture, ("gate_proj", "up_proj", "down_proj")),
    )


def agree(module: str, answers: Sequence[bool]) -> bool:
    """The one answer for all parts of a fused module.

    Raises:
        MixedShards: when they differ.

    """
    if len(set(answers)) > 1:
        raise MixedShards(
            f"Detected some but not all shards of {module} are quantized. "
            "All shards of fused layers to have the same precision."
        )
    return answers[0]


def is_skipped(module: str, ignored: Sequence[str], names: Names, *, exact: bool = True) -> bool:
    """Whether an ignore list names this module: exactly, or (AWQ) as a part of its name.

    Experts count as named when a longer ignored name contains theirs.
    """
    matches: Callable[[str], bool] = (
        (lambda name: name in ignored) if exact else (lambda name: any(entry in name for entry in ignored))
    )
    own = module.rsplit(".", 1)[-1]
    if own in names.fused:
        return matches(module) or agree(module, [matches(part) for part in names.parts(module)])
    if exact and "experts" in module:
        return any(module in entry for entry in ignored if "experts" in entry)
    return matches(module)


def matches_target(name: str, target: str, *, globs: bool = False) -> bool:
    """Whether a target is this name: literally, as a regular expression ("re:...") or as a shell pattern."""
    if target.startswith("re:"):
        return bool(re.match(target[3:], name))
    return name == target or (globs and fnmatch(name, target))


def is_ignored(module: str, ignored: Sequence[str], names: Names, *, globs: bool = False) -> bool:
    """Whether an ignore list of targets names this module or all of its parts.

    Raises:
        MixedShards: when it names some of its parts only.

    """
    if any(matches_target(module, entry, globs=globs) for entry in ignored):
        return True
    answers = [any(matches_target(part, entry, globs=globs) for entry in ignored) for part in names.parts(module)]
    if any(answers) and not all(answers):
        raise MixedShards(
            f"Found different quantization schemes for the shards of {module}. "
            "vLLM requires all to use the same scheme."
        )
    return all(answers)
