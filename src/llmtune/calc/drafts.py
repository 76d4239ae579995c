"""What speculative decoding adds to the model: draft layers on the last pipeline stage, and what they share with it.

Layers that the checkpoint has for multi-token prediction are loaded by the method ``mtp``; other methods load a draft
model of their own, n-gram and suffix matching load nothing. All of it is built on the last stage, split over the same
ranks as the model itself. Embedding and output head are built and, once loaded, replaced by the model's.
Source: vLLM 0.33.0 v1/spec_decode/llm_base_proposer.py::_maybe_share_embeddings, _maybe_share_lm_head, draft_model.py,
v1/worker/gpu/spec_decode/eagle/utils.py::maybe_share_target_embed, load_eagle_model.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.spec.weights import Embedding

if TYPE_CHECKING:
    from llmtune.spec.deployment import Resolved
    from llmtune.spec.model import LayerGroup, Model
    from llmtune.spec.weights import Module

MTP = "mtp"
STANDALONE = "draft_model"  # shares nothing


def draft_layers(model: Model, resolved: Resolved) -> tuple[LayerGroup, ...]:
    """The draft layers that this deployment loads."""
    if not resolved.speculative_tokens:
        return ()
    return model.draft if resolved.speculative_method == MTP else model.drafter


def draft_modules(model: Model, resolved: Resolved) -> tuple[Module, ...]:
    """The modules that they add to the last stage's weights."""
    modules = [module for group in draft_layers(model, resolved) for module in group.modules]
    return tuple(module for module in modules if not _is_shared(module, model, resolved))


def _is_shared(module: Module, model: Model, resolved: Resolved) -> bool:
    """Whether the drafter takes the model's own. Pipeline stages keep an embedding apart, and so does v0's worker."""
    if not isinstance(module, Embedding) or resolved.speculative_method == STANDALONE or resolved.runner == "v0":
        return False
    alike = (module.vocab, module.hidden) == (model.vocab, model.hidden)
    match module.name:
        case "embed_tokens":
            return alike and resolved.pipeline_parallel == 1
        case "lm_head":
            return alike
        case "shared_head.head":
            return alike and resolved.shares_draft_head
        case _:
            return False
