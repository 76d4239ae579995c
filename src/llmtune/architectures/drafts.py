"""Multi-token-prediction layers: what stands around a decoder layer in a drafter, as vLLM builds it.

A drafter lists its embedding and output head too; ``calc/drafts.py`` decides which of them it shares with the model.
Source: vLLM 0.33.0 model_executor/models/deepseek_mtp.py, glm4_moe_mtp.py, qwen3_next_mtp.py, qwen3_5_mtp.py and the
modules that the families name.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from llmtune.architectures.config import MOST_LAYERS, ConfigError
from llmtune.architectures.parts import column, norm, whole
from llmtune.spec.model import LayerGroup
from llmtune.spec.record import dataclass
from llmtune.spec.weights import Embedding

if TYPE_CHECKING:
    from collections.abc import Iterable

    from llmtune.architectures.config import Config
    from llmtune.spec.weights import Module

SHARED_HEAD = "shared_head.head"  # an output head in every layer, which releases since 0.16 replace by the model's
OWN_HEAD = "shared_head.own_head"  # one that the drafter keeps (Step 3.5)


def predicted(config: Config, key: str = "num_nextn_predict_layers", *, default: int = 0) -> int:
    """How many layers predict further tokens."""
    count = config.size(key, default=default)
    if count > MOST_LAYERS:
        raise ConfigError(f"config.json: '{key}' must lie in 0..{MOST_LAYERS}")
    return count


@dataclass(frozen=True, slots=True)
class Frame:
    """What stands around a draft layer's block: two norms and a projection before it, a norm and a head behind it.

    Empty names are left out. The projection stays in 16 bit where ``fixed``: most classes build it without looking at
    the quantisation.
    """

    norms: tuple[str, str] = ("enorm", "hnorm")
    project: str = "eh_proj"
    after: str = "shared_head.norm"
    head: str = SHARED_HEAD
    fixed: bool = True


DEEPSEEK = Frame()


def layered(config: Config, blocks: Iterable[LayerGroup], frame: Frame = DEEPSEEK) -> tuple[LayerGroup, ...]:
    """Layers that each have a frame of their own; the embedding is listed with the first."""
    hidden, vocab = config.size("hidden_size"), config.size("vocab_size")
    layers: list[LayerGroup] = []
    for block in blocks:
        modules: tuple[Module, ...] = (
            *(norm(name, hidden) for name in frame.norms),
            whole(frame.project, 2 * hidden, hidden, fixed=frame.fixed),
            *block.modules,
        )
        if frame.after:
            modules = (*modules, norm(frame.after, hidden))
        if frame.head:
            modules = (*modules, Embedding(frame.head, vocab, hidden))
        if not layers:
            modules = (*modules, Embedding("embed_tokens", vocab, hidden))
        layers.append(replace(block, modules=modules))
    return tuple(layers)


def stacked(config: Config, blocks: Iterable[LayerGroup]) -> tuple[LayerGroup, ...]:
    """Qwen's: one fused projection before all layers and one norm behind them; ``mtp.`` is their prefix."""
    hidden, vocab = config.size("hidden_size"), config.size("vocab_size")
    layers = []
    for number, block in enumerate(blocks):
        named = tuple(replace(module, name=f"layers.{number}.{module.name}") for module in block.modules)
        layers.append(replace(block, modules=named))
    around: tuple[Module, ...] = (
        column("fc", 2 * hidden, hidden),
        *(norm(name, hidden) for name in ("norm", "pre_fc_norm_hidden", "pre_fc_norm_embedding")),
        Embedding("embed_tokens", vocab, hidden),
        Embedding("lm_head", vocab, hidden),
    )
    return (LayerGroup((*around, *layers[0].modules), layers[0].caches), *layers[1:]) if layers else ()
