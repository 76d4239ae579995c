"""``bitsandbytes``: NF4 or 8-bit integers; vLLM knew it up to 0.27.1.

Source: vLLM 0.27.1 layers/quantization/bitsandbytes.py::BitsAndBytesConfig, is_layer_skipped_bnb. Quantisation
states (one fp32 scale per 64 weights; nested ones are expanded while loading) are counted with the weights.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.architectures.quantization.base import Quantization
from llmtune.architectures.quantization.formats import INT8_CHANNEL, NF4, UNQUANTIZED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from llmtune.architectures.quantization.base import Checkpoint, Kind
    from llmtune.spec.weights import Format


def read(checkpoint: Checkpoint) -> Quantization:
    """Linear layers and experts that ``llm_int8_skip_modules`` does not name."""
    config = checkpoint.config
    skipped = checkpoint.names.rename_all(config.get("llm_int8_skip_modules"))
    form = INT8_CHANNEL if config.get("load_in_8bit") else NF4

    def resolve(module: str, kind: Kind) -> Format:
        if kind in ("lm_head", "embedding") or _is_skipped(module, skipped):
            return UNQUANTIZED
        return form

    return Quantization(checkpoint.method, resolve, refusal="Unknown quantization method: bitsandbytes.")


def _is_skipped(module: str, skipped: Sequence[str]) -> bool:
    """Whether a name in the list is one step of the module's path or a leading part of it."""
    steps = module.split(".")
    paths = {".".join(steps[: end + 1]) for end in range(len(steps))}
    return any(name in steps or name in paths for name in skipped)
