"""Decoders that embed or classify: the language model's layers with a score head or none at all.

The engine turns ``...Model`` and ``...ForSequenceClassification`` checkpoints into pooling models, which have no
language-model head. Traded away: a ``...Model`` checkpoint started with ``--runner generate`` would have one.
Source: vLLM 0.33.0 model_executor/models/adapters.py::as_embedding_model, as_seq_cls_model.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from llmtune.architectures import gemma3, llama, phi3, qwen2, qwen3, qwen3_moe
from llmtune.architectures.config import ConfigError
from llmtune.spec.weights import Embedding, Vector

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from llmtune.architectures.config import Config
    from llmtune.spec.model import Model
    from llmtune.spec.weights import Module

MODEL = "Model"
CLASSIFIER = "ForSequenceClassification"
BASES: Mapping[str, Callable[[Config], Model]] = {
    "Gemma2": gemma3.describe,
    "Llama": llama.describe,
    "Mistral": llama.describe,
    "Phi3": phi3.describe,
    "Qwen2": qwen2.describe,
    "Qwen3": qwen3.describe,
    "Qwen3Moe": qwen3_moe.describe,
}
ARCHITECTURES = tuple(base + kind for base in BASES for kind in (MODEL, CLASSIFIER))


def describe(config: Config) -> Model:
    """Model from a config.json."""
    names = config.items("architectures")
    name = names[0] if names and isinstance(names[0], str) else ""
    base = name.removesuffix(MODEL).removesuffix(CLASSIFIER)
    if base not in BASES:
        raise ConfigError(f"config.json: '{name}' is no pooling model that is known")
    model = BASES[base](config)
    head: tuple[Module, ...] = tuple(module for module in model.head if not isinstance(module, Embedding))
    if name.endswith(CLASSIFIER):
        head = (*head, score(model.hidden, labels(config), "score"))
    return replace(model, head=head, tied=False)


def labels(config: Config) -> int:
    """How many classes: ``num_labels``, the entries of ``id2label``, or the two that Transformers assumes."""
    return config.size("num_labels", default=0) or len(config.part("id2label").data) or 2


def score(hidden: int, outputs: int, name: str) -> Vector:
    """The weight of a head in 32 bit (``--hf-overrides`` aside), whole on every rank."""
    return Vector(name, outputs, hidden, bytes=4)
