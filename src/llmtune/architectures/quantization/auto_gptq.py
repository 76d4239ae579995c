"""``auto_gptq``: 4- or 8-bit integers in groups, with rules per module (GPTQModel's ``dynamic``).

Source: vLLM 0.33.0 layers/quantization/auto_gptq.py, utils/gptq_utils.py. When the config names no modules to
quantise, the engine asks the checkpoint's tensor list instead; without weights every linear layer counts as
quantised, so families mark routers as fixed.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from llmtune.architectures.quantization.base import Quantization
from llmtune.architectures.quantization.formats import UNQUANTIZED, packed
from llmtune.architectures.quantization.names import agree

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from llmtune.architectures.quantization.base import Checkpoint, Kind
    from llmtune.spec.weights import Format

ORDERED = (
    "GPTQ group activation ordering (desc_act=True) is no longer supported. "
    "Use a checkpoint with static activation ordering or desc_act=False."
)


def read(checkpoint: Checkpoint) -> Quantization:
    """Linear layers and experts; lm_head when the config says so."""
    config = checkpoint.config
    chosen = checkpoint.names.rename_all(_flat(config.get("modules_in_block_to_quantize")))

    def resolve(module: str, kind: Kind) -> Format:
        if kind == "embedding" or (kind == "lm_head" and not config.get("lm_head")):
            return UNQUANTIZED
        rule = rule_of(config, module)
        parts = checkpoint.names.parts(module)
        named = agree(module, [not chosen or any(name in part for name in chosen) for part in parts])
        if rule is None or (kind != "experts" and not named):
            return UNQUANTIZED
        return _format({**config, **rule}, experts=kind == "experts")

    return Quantization(checkpoint.method, resolve, refusal=_refusal(config))


def rule_of(config: Mapping[str, Any], module: str) -> Mapping[str, Any] | None:
    """Overrides for a module from the ``dynamic`` rules; None when it is to stay unquantised."""
    for pattern, rule in (config.get("dynamic") or {}).items():
        if pattern.startswith("-:"):
            if re.match(pattern[2:], module):
                return None
        elif re.match(pattern.removeprefix("+:"), module):
            return rule if isinstance(rule, dict) else {}
    return {}


def _format(config: Mapping[str, Any], *, experts: bool) -> Format:
    """Zero points are allocated even for symmetric weights, expert biases even where the model has none."""
    bits = int(config.get("bits") or 4)
    form = packed(bits, int(config.get("group_size") or -1), name="gptq", zero_bits=bits)
    return replace(form, bias=experts)


def _refusal(config: Mapping[str, Any]) -> str | None:
    bits, symmetric = config.get("bits"), config.get("sym", True)
    if config.get("desc_act") and config.get("group_size") != -1:
        return ORDERED
    if bits not in (4, 8) or not symmetric:
        return f"Unsupported quantization config: bits={bits}, sym={symmetric}"
    return None


def _flat(names: object) -> Iterator[str]:
    if isinstance(names, str):
        yield names
    elif isinstance(names, (list, tuple)):
        for name in names:
            yield from _flat(name)
