"""``modelopt_mixed``: a ModelOpt algorithm per layer (``quant_algo: MIXED_PRECISION``).

Source: vLLM 0.33.0 layers/quantization/modelopt.py::ModelOptMixedPrecisionConfig.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from llmtune.architectures.quantization.base import MixedShards, Quantization
from llmtune.architectures.quantization.formats import UNQUANTIZED, fp8_block
from llmtune.architectures.quantization.fp8 import ATTENTION_BYTES
from llmtune.architectures.quantization.modelopt import (
    excluded_modules,
    format_of_algorithm,
    is_excluded,
    kv_cache_dtype,
    settings_of,
)
from llmtune.architectures.quantization.names import DEFAULT_FUSED

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from llmtune.architectures.quantization.base import Checkpoint, Kind
    from llmtune.architectures.quantization.names import Names
    from llmtune.spec.weights import Format

BLOCK_ALGORITHMS = ("FP8_PB_WO", "FP8_BLOCK_SCALES")
LINEAR_ALGORITHMS = ("FP8", "FP8_PER_CHANNEL_PER_TOKEN", "FP8_PB_WO", "NVFP4", "W4A16_NVFP4", "MXFP8")
EXPERT_ALGORITHMS = ("FP8", "NVFP4", "W4A16_NVFP4", "MXFP8")


class _Layers:
    """The layers that have an algorithm, with every parent's first algorithm for look-ups from above."""

    def __init__(self, layers: Mapping[str, Any], names: Names) -> None:
        self.names = names
        self.algorithms: dict[str, str] = {}
        self.below: dict[str, str] = {}
        for name, layer in layers.items():
            renamed = names.rename(name)
            algo = str(layer["quant_algo"]).upper()
            self.algorithms[renamed] = algo
            steps = renamed.split(".")
            for end in range(1, len(steps)):
                self.below.setdefault(".".join(steps[:end]), algo)

    def algorithm(self, module: str) -> str | None:
        """A module's algorithm: its own, its parts', or that of the modules below or beside it."""
        spellings = _spellings(module)
        own = next((self.algorithms[name] for name in spellings if name in self.algorithms), None)
        if own is not None:
            return own
        last = module.rsplit(".", 1)[-1]
        found = self._of_parts(module, self.names.fused.get(last, ()))
        if found is not None:
            return found
        below = next((self.below[name] for name in spellings if name in self.below), None)
        if below is None and last == "experts":
            below = self.below.get(module.rpartition(".experts")[0])
        return below if below is not None else self._of_parts(module, DEFAULT_FUSED.get(last, ()))

    def _of_parts(self, module: str, parts: Sequence[str]) -> str | None:
        bases = _spellings(module.rpartition(".")[0])
        names = [f"{base}.{part}" for base in bases for part in parts]
        found = {self.algorithms[name] for name in names if name in self.algorithms}
        if len(found) > 1:
            raise MixedShards(
                f"Mixed quant_algo within fused layer {module}: {found}. All shards must use the same quantization."
            )
        return found.pop() if found else None


def read(checkpoint: Checkpoint) -> Quantization:
    """Every module by its layer's algorithm; what no layer names stays in 16 bits."""
    settings = settings_of(checkpoint.config)
    listed: Mapping[str, Any] = settings.get("quantized_layers") or {}
    layers = _Layers(listed, checkpoint.names)
    excluded = excluded_modules(settings, checkpoint.names)
    group = _group_size(settings, listed)
    blocks = [int(layer.get("group_size", 128)) for layer in listed.values() if _is_block(layer)]
    block = blocks[0] if blocks else 128

    def resolve(module: str, kind: Kind) -> Format:
        if kind == "embedding" or is_excluded(module, excluded, checkpoint.names):
            return UNQUANTIZED
        algo = layers.algorithm(module)
        if kind == "experts" and algo in BLOCK_ALGORITHMS:
            return fp8_block((block, block))
        if algo is None or algo not in (EXPERT_ALGORITHMS if kind == "experts" else LINEAR_ALGORITHMS):
            return UNQUANTIZED
        return format_of_algorithm(algo, group, experts=kind == "experts")

    kv_dtype = kv_cache_dtype(checkpoint.config)
    return Quantization(
        checkpoint.method,
        resolve,
        kv_cache_dtype=kv_dtype,
        attention_bytes=ATTENTION_BYTES if kv_dtype else 0,
    )


def _is_block(layer: Mapping[str, Any]) -> bool:
    return str(layer.get("quant_algo", "")).upper() in BLOCK_ALGORITHMS


def _group_size(settings: Mapping[str, Any], layers: Mapping[str, Any]) -> int:
    """The config's group size, else that of the first NVFP4 layer, else 16."""
    if settings.get("group_size") is not None:
        return int(settings["group_size"])
    for layer in layers.values():
        if str(layer.get("quant_algo", "")).upper().endswith("NVFP4"):
            return int(layer.get("group_size", 16))
    return 16


def _spellings(module: str) -> list[str]:
    """The names under which a config may list a module (_quantized_layer_prefix_candidates)."""
    spellings = [module]
    if module.endswith(".lm_head"):
        spellings.append("lm_head")
    for mine, theirs in (
        ("language_model.model.", "model.language_model."),
        ("model.language_model.", "language_model.model."),
    ):
        if module.startswith(mine):
            spellings.append(theirs + module.removeprefix(mine))
    return spellings
