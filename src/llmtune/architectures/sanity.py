"""What every described model must satisfy before anything is computed with it.

Family modules read keys one by one; a config.json whose values have the right types can still describe what no engine
builds (no KV heads, blocks of zero weights), and the calculations divide by such sizes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from llmtune.architectures.config import LARGEST, ConfigError
from llmtune.spec.model import CompressorState, StateSpace

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llmtune.spec.model import Cache, Model

DTYPES = {"half": "float16", "float": "float32", "float16": "float16", "float32": "float32", "bfloat16": "bfloat16"}
NEVER_ZERO = ("kv_heads", "heads", "head_dim", "window", "chunk", "ratio", "lora_rank")  # of a cache, where it has them
RATIOS = (2, 4, 128)  # of a DeepSeek-V4 or V4.1 compressor


def dtype_of(name: str) -> str:
    """The dtype that a config.json names, in one spelling.

    Raises:
        ConfigError: when no engine computes in it.

    """
    if name not in DTYPES:
        raise ConfigError(f"config.json: dtype '{name[:40]}' must be one of {', '.join(sorted(set(DTYPES.values())))}")
    return DTYPES[name]


def check(model: Model) -> None:
    """Refuse sizes that no engine builds.

    Raises:
        ConfigError: naming the first one.

    """
    whole = {"hidden size": model.hidden, "vocabulary": model.vocab, "context length": model.max_context}
    caches = [cache for group in model.groups for cache in group.caches]
    if not caches or not all(isinstance(cache, StateSpace) for cache in caches):
        whole["number of attention heads"] = model.heads
    sizes = [*whole.items(), *(size for cache in caches for size in _sizes(cache))]
    for name, size in sizes:
        if not 1 <= size <= LARGEST:
            raise ConfigError(f"config.json: the {name} must lie in 1..{LARGEST}, not {size:g}")
    for cache in caches:
        if isinstance(cache, CompressorState) and cache.ratio not in RATIOS:
            raise ConfigError(f"config.json: a compression ratio must be 2, 4 or 128, not {cache.ratio}")
    layers = (module for group in model.groups for module in group.modules)
    for module in (*layers, *model.embedding, *model.head, *model.towers):
        _check_format(getattr(module, "format", None))
        for part in getattr(module, "outputs", ()):
            if part.replicate and part.units < 1:  # ranks are counted in these
                raise ConfigError(f"config.json: {module.name} needs at least one head or group, not {part.units}")


def _sizes(cache: Cache) -> Iterator[tuple[str, int]]:
    kind = type(cache).__name__
    for key in NEVER_ZERO:
        size = getattr(cache, key, None)
        if size is not None:
            yield f"{key.replace('_', ' ')} of its {kind} layers", size


def _check_format(form: Any) -> None:
    """Bits and blocks of a quantised weight."""
    if form is None:
        return
    numbers = (form.bits, *form.block)
    if not all(isinstance(number, int) and 1 <= number <= LARGEST for number in numbers):
        raise ConfigError(
            f"config.json: quantization_config asks for {form.bits!r} bits in blocks of {form.block!r}; "
            "bits and block sizes must be whole numbers from 1"
        )
