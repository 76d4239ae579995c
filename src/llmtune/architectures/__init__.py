"""From a Hugging Face config.json to a Model: one module per family of architectures.

A family module names the ``ARCHITECTURES`` it reads and has one function, ``describe(config) -> Model``. It describes
the 16-bit model; what quantisation does to it is decided here, once, for every family. An architecture that no module
names is refused: a guessed layer structure gives a plausible wrong number.
"""

from __future__ import annotations

import pkgutil
import re
from dataclasses import replace
from functools import lru_cache
from importlib import import_module
from typing import TYPE_CHECKING, Any

from llmtune.architectures.config import Config, ConfigError
from llmtune.architectures.limits import context_lengths, patch_values, rotary_rows
from llmtune.architectures.quantize import QUANTIZATION_KEYS, quantize
from llmtune.architectures.sanity import check, dtype_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from types import ModuleType

    from llmtune.spec.model import Model

LONGEST_NAME = 100  # characters of an unknown architecture in a message
# What reading a value of the wrong kind ends in, where a family module does not check it itself.
UNREADABLE = (TypeError, ValueError, LookupError, AttributeError, ArithmeticError, RecursionError, re.error)
HELPERS = frozenset(
    {"config", "parts", "drafts", "limits", "quantize", "quantization", "vision", "recurrent", "sanity"}
)

NESTED = ("text_config", "llm_config", "language_config", "thinker_config")  # where wrappers keep the text model


def read_model(
    config: Mapping[str, Any],
    quantization: Mapping[str, Any] | None = None,
    *,
    model_id: str = "",
    source: str = "",
    parameters: int | None = None,
) -> Model:
    """The model that a config.json describes.

    ``quantization`` is the content of hf_quant_config.json, where the checkpoint has one.

    Raises:
        ConfigError: when the architecture is unknown or a needed key is missing or wrong.

    """
    name = architecture_of(config)
    family = family_of(name, str(config.get("model_type", "")))
    try:
        model = _described(family, config, quantization)
    except ConfigError:
        raise
    except UNREADABLE as error:
        raise ConfigError(
            f"config.json: some value is not what {name} needs ({type(error).__name__}: {str(error)[:80]}); "
            "compare it with the published one"
        ) from error
    model = replace(
        model,
        id=model_id,
        family=family.__name__.rpartition(".")[2],
        architecture=name,
        model_type=str(config.get("model_type", "")),
        source=source,
        parameters=parameters,
    )
    check(model)
    return model


def _described(family: ModuleType, config: Mapping[str, Any], quantization: Mapping[str, Any] | None) -> Model:
    """The model with its limits, as its checkpoint stores it."""
    checked = Config(config)
    for key in QUANTIZATION_KEYS:
        checked.part(key)  # must be an object
    model: Model = family.describe(checked)
    longest, default, yarn = context_lengths(config)
    model = replace(
        model,
        max_context=longest,
        default_context=default,
        yarn_context=yarn,
        rotary_rows=rotary_rows(config),
        patch_values=patch_values(config) if model.item_patches else 0,
        dtype=dtype_of(_dtype(config)),
    )
    return quantize(model, config, quantization)


def architecture_of(config: Mapping[str, Any]) -> str:
    """The vLLM architecture name: the first entry of ``architectures``."""
    names = config.get("architectures")
    if names is None or names == []:
        raise ConfigError("config.json: 'architectures' is missing; llmtune needs it to know the layers")
    if not isinstance(names, list) or not isinstance(names[0], str):
        raise ConfigError("config.json: 'architectures' must be a list of names, as in [\"LlamaForCausalLM\"]")
    return names[0]


def family_of(architecture: str, model_type: str = "") -> ModuleType:
    """The module that reads an architecture. The one named like ``model_type`` is tried first: it is usually right."""
    for module in _candidates(model_type):
        if architecture in module.ARCHITECTURES:
            return module
    from difflib import get_close_matches  # noqa: PLC0415 - only an unknown architecture needs it

    architecture = architecture[:LONGEST_NAME]
    close = get_close_matches(architecture, architectures(), n=1)
    hint = f" The nearest one known is {close[0]}." if close else ""
    raise ConfigError(
        f"config.json: architecture '{architecture}' is not known, so its memory cannot be computed.{hint} "
        "To describe it, add one family module (docs/contributing/adding.md), "
        "or pass --assume-architecture NAME if its layers equal a known one's"
    )


@lru_cache(maxsize=1)
def architectures() -> tuple[str, ...]:
    """Every architecture that can be read."""
    return tuple(sorted(name for module in _candidates("") for name in module.ARCHITECTURES))


def _candidates(first: str) -> Iterator[ModuleType]:
    names = [name for _, name, _ in pkgutil.iter_modules(__path__) if name not in HELPERS]
    for name in sorted(names, key=lambda name: name != first):
        yield import_module(f"{__name__}.{name}")


def _dtype(config: Mapping[str, Any]) -> str:
    """The model's own dtype: nested text_config first, as vLLM's ModelConfig looks."""
    parts: list[Mapping[str, Any]] = [config]
    for part in parts:
        dtype = part.get("dtype") or part.get("torch_dtype")
        if isinstance(dtype, str):
            return dtype.removeprefix("torch.")
        parts += [inner for key in NESTED if isinstance(inner := part.get(key), dict)]
    return "float32"
