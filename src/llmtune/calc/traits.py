"""What kind of model it is, read off its layers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.spec.model import (
    ChunkedLocal,
    CrossAttention,
    FullAttention,
    Latent,
    SlidingWindow,
    StateSpace,
    WindowLatent,
)
from llmtune.spec.weights import Embedding, Experts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llmtune.spec.model import Cache, Model

ATTENTION = (FullAttention, SlidingWindow, ChunkedLocal, Latent, WindowLatent)


def caches(model: Model) -> Iterator[Cache]:
    """The distinct caches of the decoder layers."""
    for group in model.groups:
        yield from group.caches


def experts(model: Model) -> tuple[Experts, ...]:
    """The distinct routed experts."""
    return tuple(module for group in model.groups for module in group.modules if isinstance(module, Experts))


def generates(model: Model) -> bool:
    """Whether it has an output head, its own or the embedding; pooling models have none and draw no tokens."""
    return model.tied or any(isinstance(module, Embedding) for module in model.head)


def is_encoder(model: Model) -> bool:
    """Whether every token sees every other (BERT): nothing is cached, and prompts are not cut."""
    return not generates(model) and next(caches(model), None) is None


def is_moe(model: Model) -> bool:
    """Whether it has routed experts."""
    return any(isinstance(module, Experts) for group in model.groups for module in group.modules)


def has_state(model: Model) -> bool:
    """Whether some layers are recurrent."""
    return any(isinstance(cache, StateSpace) for cache in caches(model))


def is_attention_free(model: Model) -> bool:
    """Whether every layer is recurrent (Mamba)."""
    return has_state(model) and not any(isinstance(cache, ATTENTION) for cache in caches(model))


def is_hybrid(model: Model) -> bool:
    """Whether it mixes recurrent layers with attention."""
    return has_state(model) and not is_attention_free(model)


def latent(model: Model) -> Latent | None:
    """Its latent attention (MLA), when it has one."""
    return next((cache for cache in caches(model) if isinstance(cache, Latent)), None)


def uses_latents(model: Model) -> bool:
    """Whether its attention keeps latents in place of heads (MLA, DeepSeek-V4)."""
    return any(isinstance(cache, (Latent, WindowLatent)) for cache in caches(model))


def windows(model: Model) -> tuple[int, ...]:
    """The sliding windows of its layers, in tokens."""
    return tuple(cache.window for cache in caches(model) if isinstance(cache, SlidingWindow))


def is_encoder_decoder(model: Model) -> bool:
    """Whether its decoder reads an encoder's output (Whisper, Llama 3.2 Vision)."""
    return any(isinstance(cache, CrossAttention) for cache in caches(model))


def crosses_in_own_layers(model: Model) -> bool:
    """Whether some layers read nothing but an encoder's output (Llama 3.2 Vision)."""
    return any(group.caches and all(isinstance(c, CrossAttention) for c in group.caches) for group in model.groups)


def sees_images_both_ways(model: Model) -> bool:
    """Whether image tokens attend to each other in both directions (Gemma 3 and 4 with their tower)."""
    return any(isinstance(cache, (FullAttention, SlidingWindow)) and cache.bidirectional for cache in caches(model))
