"""``modelopt``, ``modelopt_fp4``, ``modelopt_mxfp8`` and ``mxfp8``: one ModelOpt algorithm for the whole model.

Source: vLLM 0.33.0 layers/quantization/modelopt.py::ModelOptQuantConfigBase, resolve; utils/torch_utils.py::
get_kv_cache_quant_algo_string.
"""

from __future__ import annotations

from fnmatch import fnmatch
from typing import TYPE_CHECKING, Any

from llmtune.architectures.config import ConfigError
from llmtune.architectures.quantization.base import Quantization
from llmtune.architectures.quantization.formats import (
    FP8_CHANNEL,
    FP8_PB_WO,
    FP8_TENSOR,
    MXFP8,
    UNQUANTIZED,
    fp8_static,
    nvfp4,
)
from llmtune.architectures.quantization.fp8 import ATTENTION_BYTES
from llmtune.architectures.quantization.names import is_skipped

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from llmtune.architectures.quantization.base import Checkpoint, Kind
    from llmtune.architectures.quantization.names import Names
    from llmtune.spec.weights import Format

VISION = ("vision_tower", "vision_model", "vit_large_projector")  # never quantised by a uniform ModelOpt config
KV_DTYPES = {"FP8": "fp8_e4m3", "NVFP4": "nvfp4"}


def read(checkpoint: Checkpoint) -> Quantization:
    """Linear layers, lm_head and experts, except what the exclude list covers."""
    settings = settings_of(checkpoint.config)
    algo = _algorithm(checkpoint)
    excluded = excluded_modules(settings, checkpoint.names)
    group = int(settings.get("group_size") or 16)

    def resolve(module: str, kind: Kind) -> Format:
        if kind == "embedding" or is_excluded(module, excluded, checkpoint.names):
            return UNQUANTIZED
        if any(name in module for name in VISION):
            return UNQUANTIZED
        return format_of_algorithm(algo, group, experts=kind == "experts")

    return Quantization(
        checkpoint.method,
        resolve,
        kv_cache_dtype=kv_cache_dtype(checkpoint.config),
        attention_bytes=ATTENTION_BYTES,
        latent_attention_bytes=ATTENTION_BYTES,
    )


def settings_of(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """The part that holds the algorithm: "quantization" in hf_quant_config.json, the whole in config.json."""
    inner = config.get("quantization")
    return inner if isinstance(inner, dict) else config


def excluded_modules(settings: Mapping[str, Any], names: Names) -> list[str]:
    """The exclude list in the engine's names; "module*" becomes the module and everything below it.

    Source: ModelOptQuantConfigBase.from_config, apply_vllm_mapper.
    """
    listed = settings.get("ignore", settings.get("exclude_modules", settings.get("ignored_layers"))) or []
    split: list[str] = []
    for name in map(str, listed):
        if name.endswith("*") and len(name) > 1 and name[-2] != ".":
            split += [name[:-1], f"{name[:-1]}.*"]
        else:
            split.append(name)
    return names.rename_all(split)


def is_excluded(module: str, excluded: Sequence[str], names: Names) -> bool:
    """Whether an exclude list covers a module: exactly, as a part of its name, or as a pattern."""
    if not excluded:
        return False
    if is_skipped(module, excluded, names):
        return True
    inner = module.removeprefix("language_model.")
    return any(name != module and (name in module or name in inner) for name in excluded) or any(
        fnmatch(module, name) for name in excluded
    )


def format_of_algorithm(algo: str, group: int, *, experts: bool) -> Format:
    """Format of an algorithm (modelopt.py::resolve; the FP8 config has one class for all its experts)."""
    match algo:
        case "FP8":
            return fp8_static(FP8_TENSOR, experts=experts)
        case "FP8_PER_CHANNEL_PER_TOKEN":
            return fp8_static(FP8_TENSOR, experts=True) if experts else FP8_CHANNEL
        case "FP8_PB_WO":
            return fp8_static(FP8_TENSOR, experts=True) if experts else FP8_PB_WO
        case "NVFP4" | "W4A16_NVFP4":
            return nvfp4(group, weight_only=algo != "NVFP4", experts=experts)
        case "MXFP8":
            return MXFP8
        case _:
            raise ConfigError(f"ModelOpt algorithm '{algo}' is not known; its weights cannot be sized")


def kv_cache_dtype(config: Mapping[str, Any]) -> str | None:
    """What the KV cache dtype "auto" becomes."""
    if not str(config.get("quant_method") or "modelopt").startswith("modelopt"):
        return None
    inner = settings_of(config)
    scheme = inner.get("kv_cache_scheme") or config.get("kv_cache_scheme")
    scheme = scheme or inner.get("kv_cache_quant_algo") or config.get("kv_cache_quant_algo")
    if isinstance(scheme, dict):
        scheme = _kv_algorithm(scheme)
    return KV_DTYPES.get(str(scheme).upper())


def _kv_algorithm(scheme: Mapping[str, Any]) -> str | None:
    match (scheme.get("num_bits"), scheme.get("type"), scheme.get("dynamic")):
        case (8, "float", False):
            return "FP8"
        case (4, "float", _):
            return "NVFP4"
        case _:
            return None


def _algorithm(checkpoint: Checkpoint) -> str:
    """The algorithm; NVFP4 without activations in any group is weight-only (ModelOptNvFp4Config._from_config)."""
    config = checkpoint.config
    algo = str(settings_of(config).get("quant_algo") or "").upper()
    if not algo and checkpoint.method == "mxfp8":
        return "MXFP8"
    groups = config.get("config_groups")
    if algo == "NVFP4" and isinstance(groups, dict) and groups:
        inputs = [group.get("input_activations") for group in groups.values() if isinstance(group, dict)]
        return algo if any(given is not None for given in inputs) else "W4A16_NVFP4"
    return algo
