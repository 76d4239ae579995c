"""Quantised checkpoints: which format every module of a model has.

One module per method. ``read_quantization`` finds the config, gives the method the engine's name for it, and lets
that method's module read it.
Source: vLLM 0.33.0 transformers_utils/model_arch_config_convertor.py::_normalize_quantization_config,
config/model.py::_verify_quantization (order of overrides), model_loader/weight_utils.py::get_quant_config.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from llmtune.architectures.config import ConfigError
from llmtune.architectures.quantization.base import Checkpoint, MixedShards, Quantization
from llmtune.architectures.quantization.names import names_of
from llmtune.architectures.quantization.online import online

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["MixedShards", "Quantization", "online", "read_quantization"]

# Methods that the engine renames, and modules that read more than the method of their name.
_RENAMED = {
    "gptq": "auto_gptq",
    "gptq_marlin": "auto_gptq",
    "awq": "auto_awq",
    "awq_marlin": "auto_awq",
    "auto-round": "inc",
    "compressed_tensors": "compressed-tensors",
}
_READERS = {
    "auto_awq": "auto_awq",
    "auto_gptq": "auto_gptq",
    "bitsandbytes": "bitsandbytes",
    "compressed-tensors": "compressed_tensors",
    "deepseek_v4_fp8": "deepseek_v4_fp8",
    "experts_int8": "experts_int8",
    "fbgemm_fp8": "fbgemm_fp8",
    "fp8": "fp8",
    "gpt_oss_mxfp4": "mxfp4",
    "inc": "inc",
    "modelopt": "modelopt",
    "modelopt_fp4": "modelopt",
    "modelopt_mixed": "modelopt_mixed",
    "modelopt_mxfp8": "modelopt",
    "mxfp4": "mxfp4",
    "mxfp8": "modelopt",
    "quark": "quark",
}
_DEEPSEEK_V4 = ("deepseek_v4", "deepseek_v4_text", "deepseek_v41", "deepseek_v41_text")


def read_quantization(config: Mapping[str, Any], hf_quant_config: Mapping[str, Any] | None) -> Quantization | None:
    """How a checkpoint is quantised, from its config.json and hf_quant_config.json; None for 16-bit ones.

    Raises:
        ConfigError: for a method that is not known here.

    """
    found = _find(config, hf_quant_config)
    if found is None:
        return None
    method = _method(found, config)
    if not method:
        return None
    if method == "modelopt_mixed" and "quantized_layers" not in found and hf_quant_config is not None:
        found = hf_quant_config
    if method not in _READERS:
        raise ConfigError(f"config.json: quantization method '{method}' is not known; its weights cannot be sized")
    reader = import_module(f"{__name__}.{_READERS[method]}")
    quantization: Quantization = reader.read(Checkpoint(method, found, config, names_of(config)))
    return quantization


def _find(config: Mapping[str, Any], hf_quant_config: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """The quantisation config: config.json's own, else the separate file, else the text model's."""
    text = config.get("text_config")
    for candidate in (
        config.get("quantization_config"),
        hf_quant_config,
        config.get("compression_config"),
        text.get("quantization_config") if isinstance(text, dict) else None,
    ):
        if isinstance(candidate, dict) and candidate:
            return candidate
    return None


def _method(found: Mapping[str, Any], model: Mapping[str, Any]) -> str:
    """The engine's name for the method, empty when the config names none."""
    declared = str(found.get("quant_method") or "").lower()
    inner = found.get("quantization")
    producer = found.get("producer")
    if isinstance(inner, dict) and isinstance(producer, dict) and producer.get("name") == "modelopt":
        declared = "modelopt"
    if declared.startswith("modelopt"):
        algo = inner.get("quant_algo") if isinstance(inner, dict) else found.get("quant_algo")
        return _modelopt_method(str(algo or "").upper(), declared)
    if declared == "mxfp4" and model.get("model_type") == "gpt_oss":
        return "gpt_oss_mxfp4"
    if declared == "fp8" and model.get("model_type") in _DEEPSEEK_V4:
        return "deepseek_v4_fp8"
    return _RENAMED.get(declared, declared)


def _modelopt_method(algo: str, declared: str) -> str:
    """Each ModelOpt config class claims the algorithms it reads (override_quantization_method)."""
    if algo == "FP8":
        return "modelopt"
    if "FP4" in algo:
        return "modelopt_fp4"
    if "MXFP8" in algo:
        return "modelopt_mxfp8"
    return "modelopt_mixed" if algo == "MIXED_PRECISION" else declared
