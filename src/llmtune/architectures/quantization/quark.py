"""``quark``: AMD's exports: FP8, INT8 and MXFP4 with settings for the whole model and overrides per layer.

Basic schemes only; others raise, because their weights could not be sized.
Source: vLLM 0.33.0 layers/quantization/quark/quark.py::QuarkConfig._find_matched_config, quark/schemes/*.py,
quark_moe.py.
"""

from __future__ import annotations

from dataclasses import replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from llmtune.architectures.config import ConfigError
from llmtune.architectures.quantization.base import MixedShards, Quantization
from llmtune.architectures.quantization.formats import (
    FP8_CHANNEL,
    FP8_TENSOR,
    INT8_CHANNEL,
    MXFP4,
    MXFP8,
    UNQUANTIZED,
    fp8_static,
)
from llmtune.architectures.quantization.fp8 import ATTENTION_BYTES
from llmtune.architectures.quantization.names import is_ignored

if TYPE_CHECKING:
    from collections.abc import Mapping

    from llmtune.architectures.quantization.base import Checkpoint, Kind
    from llmtune.architectures.quantization.names import Names
    from llmtune.spec.weights import Format

MX_GROUP = 32


def read(checkpoint: Checkpoint) -> Quantization:
    """Linear layers and experts that "exclude" does not name."""
    config, names = checkpoint.config, checkpoint.names
    excluded = names.rename_all(config.get("exclude"))

    def resolve(module: str, kind: Kind) -> Format:
        below = any(name == module or name.startswith(f"{module}.") for name in excluded)
        if kind in ("embedding", "lm_head") or (kind == "experts" and below) or is_ignored(module, excluded, names):
            return UNQUANTIZED
        return _format(_settings(config, module, names), experts=kind == "experts")

    return Quantization(checkpoint.method, resolve, attention_bytes=ATTENTION_BYTES)


def _settings(config: Mapping[str, Any], module: str, names: Names) -> Mapping[str, Any]:
    """The first layer override that names a module's parts, else the settings for the whole model."""
    overrides: Mapping[str, Any] = config.get("layer_quant_config") or {}
    found = []
    for part in names.parts(module):
        match = next((value for name, value in overrides.items() if fnmatchcase(part, name) or part == name), None)
        found.append(match if match is not None else config.get("global_quant_config"))
    if any(settings != found[0] for settings in found):
        raise MixedShards(f"Found a different quantization configuration for the shards of {module}.")
    return found[0] or {}


def _format(settings: Mapping[str, Any], *, experts: bool) -> Format:
    weight, inputs = settings.get("weight"), settings.get("input_tensors")
    if not isinstance(weight, dict):
        raise ConfigError("Quark weights with several scales are not known here; they cannot be sized")
    static = isinstance(inputs, dict) and not inputs.get("is_dynamic")
    match (weight.get("dtype"), weight.get("qscheme"), weight.get("group_size")):
        case ("fp4", "per_group", size) if size == MX_GROUP:
            return replace(MXFP4, name="mxfp4-quark")
        case ("fp8_e4m3", "per_group", size) if size == MX_GROUP:
            return MXFP8
        case ("fp8_e4m3", "per_tensor" | "per_channel" as scheme, _):
            form = FP8_CHANNEL if scheme == "per_channel" else FP8_TENSOR
            return fp8_static(form, experts=experts) if static else form
        case ("int8", "per_channel", _) if not static:
            return INT8_CHANNEL
        case (dtype, scheme, _):
            raise ConfigError(f"Quark weights of type {dtype}, {scheme} are not known here; they cannot be sized")
