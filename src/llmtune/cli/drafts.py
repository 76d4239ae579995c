"""Finds the draft model that ``--speculative-config`` names and adds its layers to the model.

A draft model that cannot be read leaves the answer without it, which is said.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from llmtune.architectures.config import ConfigError
from llmtune.calc.drafts import MTP, STANDALONE
from llmtune.calc.runner import speculative_method
from llmtune.calc.settings import Settings
from llmtune.catalog import UnknownName
from llmtune.cli.errors import UserError
from llmtune.cli.loading import load_model
from llmtune.readers.secrets import redact_text
from llmtune.spec.model import LayerGroup

if TYPE_CHECKING:
    from collections.abc import Callable

    from llmtune.spec.deployment import Deployment
    from llmtune.spec.model import Model

    Load = Callable[[str, str | None], Model]

EAGLE = {"eagle": "Eagle", "eagle3": "Eagle3"}  # what the engine puts before the draft's architecture
WITHOUT = frozenset({"ngram", "ngram_gpu", "suffix", "[ngram]"})  # methods that load nothing
LONGEST = 120  # characters of a reason
UNCOUNTED = "its weights and its KV cache are not counted"


def attach(
    model: Model, deployment: Deployment, *, offline: bool = False, load: Load | None = None
) -> tuple[Model, tuple[str, ...]]:
    """The model with the layers of its draft model, and what must be said about them.

    Source: vLLM 0.33.0 config/speculative.py::SpeculativeConfig.__post_init__, transformers_utils/configs/eagle.py.
    """
    settings = Settings(deployment)
    method = speculative_method(settings)
    if method is None or method in WITHOUT:
        return model, ()
    named = settings.mapping("speculative-config").get("model") or settings.text("spec-model", "speculative-model")
    if method == MTP and (not isinstance(named, str) or named == deployment.model):
        said = f"draft layers of {model.architecture} are not described: their weights and KV cache are not counted"
        return model, () if model.draft else (said,)
    if not isinstance(named, str):
        return model, ()
    if method not in {STANDALONE, *EAGLE}:
        return model, (f"draft model {redact_text(named)}: method {method} is not described, so {UNCOUNTED}",)
    read = load or (lambda name, assumed: load_model(name, offline=offline, assume_architecture=assumed))
    shown = redact_text(named)
    try:
        draft = read(named, None) if method == STANDALONE else _head(named, EAGLE[method], read)
    except (ConfigError, UnknownName, UserError, OSError, ValueError) as error:
        return model, (f"draft model {shown} could not be read ({redact_text(str(error)[:LONGEST])}), so {UNCOUNTED}",)
    layers = tuple(draft.groups[number] for number in draft.pattern)
    beside = LayerGroup((*draft.embedding, *draft.head))
    asked = settings.integer("max-model-len") or model.max_context
    shorter = method == STANDALONE and draft.max_context < asked
    limit = f"draft model {shown} reads {draft.max_context} tokens; model runner v2 of 0.33 serves no longer ones"
    return replace(model, drafter=(*layers, beside)), (limit,) if shorter else ()


def _head(name: str, prefix: str, read: Load) -> Model:
    """An EAGLE head; the engine tells it by its architecture, which checkpoints often write as the plain one."""
    from llmtune.architectures import eagle  # noqa: PLC0415 - few deployments have one

    try:
        plain = read(name, None)
    except ConfigError:
        return read(name, f"{prefix}LlamaForCausalLM")
    if plain.architecture in eagle.ARCHITECTURES:
        return plain
    return read(name, f"{prefix}{plain.architecture}")
