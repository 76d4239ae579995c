"""``inc``: what auto-round writes: packed integers, FP8 blocks or MX formats, with overrides per module.

Source: vLLM 0.33.0 layers/quantization/inc/inc.py::INCConfig, config_parser.py::INCConfigParser, schemes/*.py.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from llmtune.architectures.config import ConfigError
from llmtune.architectures.quantization.base import MixedShards, Quantization
from llmtune.architectures.quantization.formats import MXFP4, MXFP8, UNQUANTIZED, fp8_block, packed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from llmtune.architectures.quantization.base import Checkpoint, Kind
    from llmtune.architectures.quantization.names import Names
    from llmtune.spec.weights import Format

SIXTEEN = 16  # modules with so many bits are not quantised
_SPECIAL = set(r"*+?^$()[]{}|\\")


def read(checkpoint: Checkpoint) -> Quantization:
    """Linear layers and experts; lm_head when ``extra_config`` names it."""
    config, names = checkpoint.config, checkpoint.names
    overrides = {}
    for name, settings in (config.get("extra_config") or {}).items():
        if isinstance(settings, dict):
            overrides[names.rename(str(name))] = settings
    blocks = names.rename_all(_listed(config.get("block_name_to_quantize") or config.get("to_quant_block_names")))

    def resolve(module: str, kind: Kind) -> Format:
        if kind == "embedding":
            return UNQUANTIZED
        quantized = any(module.startswith(block) for block in blocks) if blocks else kind != "lm_head"
        merged = {**config, **_override(module, overrides, names)}
        named = merged.get("bits") != config.get("bits") or module in overrides
        if not (quantized or named) or int(merged.get("bits") or SIXTEEN) >= SIXTEEN:
            return UNQUANTIZED
        return _format(merged, experts=kind == "experts")

    return Quantization(checkpoint.method, resolve)


def _override(module: str, overrides: Mapping[str, Any], names: Names) -> Mapping[str, Any]:
    """Settings of a module: by its name, by its last steps, by its parts, or by a pattern."""
    if module in overrides:
        return dict(overrides[module])
    for name, settings in overrides.items():
        if module.endswith(f".{name}"):
            return dict(settings)
    children = [settings for name, settings in overrides.items() if name.startswith(f"{module}.")]
    parts = [_by_pattern(part, overrides) for part in names.parts(module)]
    found = children or [part for part in parts if part is not None]
    if any(settings != found[0] for settings in found) or (not children and 0 < len(found) < len(parts)):
        raise MixedShards(f"Fused module '{module}' requires consistent quant config for {names.parts(module)}")
    return dict(found[0]) if found else {}


def _by_pattern(name: str, overrides: Mapping[str, Any]) -> Mapping[str, Any] | None:
    if name in overrides:
        return dict(overrides[name])
    for pattern, settings in overrides.items():
        if _SPECIAL & set(pattern) and _searches(pattern, name):
            return dict(settings)
    return None


def _searches(pattern: str, name: str) -> bool:
    try:
        return re.search(pattern, name) is not None
    except re.error:
        return False


def _format(config: Mapping[str, Any], *, experts: bool) -> Format:
    """Format by data type, bits and group size (inc/schemes/factory.py::resolve_scheme)."""
    bits, group = int(config["bits"]), config.get("group_size")
    kind = str(config.get("data_type") or "int")
    if "mx_fp" in kind:
        return replace(MXFP4, name="mxfp4-inc") if bits == 4 else MXFP8  # noqa: PLR2004 - the MX formats' widths
    if isinstance(group, (list, tuple)):
        return fp8_block((int(group[0]), int(group[1])))
    if kind != "int":
        raise ConfigError(f"auto-round data type '{kind}' is not known; its weights cannot be sized")
    zeros = bits
    awq = "awq" in str(config.get("packing_format") or "")
    form = packed(bits, int(group or -1), name="awq" if awq else "gptq", zero_bits=zeros)
    return replace(form, bias=experts and not awq)


def _listed(names: object) -> list[str]:
    if isinstance(names, str):
        return names.split(",")
    return [str(name) for name in names] if isinstance(names, (list, tuple)) else []
