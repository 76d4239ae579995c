"""What every quantisation method answers: the name the engine uses and the format of each module."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from llmtune.spec.record import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from llmtune.architectures.quantization.names import Names
    from llmtune.spec.weights import Format

Kind = Literal["linear", "experts", "lm_head", "embedding"]


class MixedShards(ValueError):  # noqa: N818 - it names what is wrong with the checkpoint
    """A checkpoint that stores the parts of one fused layer in different formats, which the engine refuses."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A checkpoint's quantisation config with what its meaning depends on.

    ``config`` is the quantisation config, ``model`` the whole config.json and ``names`` translates module names.
    """

    method: str
    config: Mapping[str, Any]
    model: Mapping[str, Any]
    names: Names


@dataclass(frozen=True, slots=True)
class Quantization:
    """How a checkpoint is quantised.

    ``method`` is the engine's name after its overrides (``auto_awq``, ``modelopt_fp4``, ...). ``kv_cache_dtype`` is
    what "auto" becomes, None when it stays the model's type. ``attention_bytes`` are created with every attention
    layer for KV scales, ``latent_attention_bytes`` with every MLA layer. ``refusal`` is what the engine (0.33) says
    when it does not load this config at all; formats are given all the same, for releases that do.
    """

    method: str
    resolve: Callable[[str, Kind], Format]
    kv_cache_dtype: str | None = None
    attention_bytes: int = 0
    latent_attention_bytes: int = 0
    refusal: str | None = None

    def format_of(self, module: str, kind: Kind) -> Format:
        """Format of one module, named as vLLM names it (``model.layers.3.self_attn.qkv_proj``).

        Raises:
            MixedShards: when the parts of a fused module differ.

        """
        return self.resolve(module, kind)
