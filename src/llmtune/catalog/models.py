"""Models that people serve, as the facts of their config.json: one file a model, read when asked for.

A file either holds a minimal ``config`` (and ``quantization``, the content of hf_quant_config.json) or says
``same_as`` another model, with the keys that differ.
"""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llmtune.catalog import UnknownName
from llmtune.spec.record import dataclass

if TYPE_CHECKING:
    from collections.abc import Mapping

DATA = Path(__file__).parent / "data" / "models"


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """The config.json of a catalogue model, where it comes from, and its published parameter count."""

    id: str
    config: Mapping[str, Any]
    quantization: Mapping[str, Any] | None
    parameters: int | None
    source: str
    kind: str
    note: str | None  # what is assumed about it
    base: str | None  # the model it is a copy, fine-tune or quantisation of


@lru_cache(maxsize=1)
def names() -> tuple[str, ...]:
    """The id of every model in the catalogue."""
    return tuple(sorted((path.stem.replace("--", "/", 1) for path in DATA.glob("*.json")), key=str.casefold))


@lru_cache(maxsize=512)
def find(model_id: str) -> ModelFacts:
    """The facts of a model by its id, in any case, with or without its organisation where that is unambiguous.

    Raises:
        UnknownName: with the nearest ids.

    """
    exact = DATA / f"{model_id.strip().replace('/', '--', 1)}.json"
    if not _is_plain(model_id) or not exact.is_file():
        model_id = _spelled(model_id)
        exact = DATA / f"{model_id.replace('/', '--', 1)}.json"
    return _resolved(model_id, json.loads(exact.read_text(encoding="utf-8")))


def siblings(model_id: str) -> tuple[str, ...]:
    """Quantised checkpoints of the same base model, from the catalogue."""
    base = find(model_id).base or model_id
    found = []
    for path in sorted(DATA.glob("*.json")):
        data = json.loads(path.read_text(encoding="utf-8"))
        quantised = "quantization_config" in (data.get("config") or {}) or "quantization" in data
        name = path.stem.replace("--", "/", 1)
        if quantised and data.get("same_as") in {base, model_id} and short_name(model_id) in short_name(name):
            found.append(name)
    return tuple(name for name in found if name != model_id)


def short_name(model_id: str) -> str:
    """A model's name without its organisation and Meta's prefix: what a quantised checkpoint's name contains."""
    return model_id.rpartition("/")[2].casefold().removeprefix("meta-")


def _is_plain(model_id: str) -> bool:
    """Whether an id cannot lead out of the catalogue's directory."""
    return model_id.count("/") == 1 and ".." not in model_id


def _spelled(model_id: str) -> str:
    """The catalogue's spelling of an id."""
    wanted = model_id.strip().casefold()
    for name in names():
        if name.casefold() == wanted:
            return name
    short = [name for name in names() if name.casefold().rpartition("/")[2] == wanted]
    if len(short) == 1:
        return short[0]
    originals = {find(name).base or name for name in short} & set(short)
    if len(originals) == 1:  # the others are copies of it
        return originals.pop()
    if short:
        raise UnknownName("model", model_id, {name.casefold(): name for name in short})
    by_spelling = {name.casefold(): name for name in names()}
    by_spelling |= {name.casefold().rpartition("/")[2]: name for name in reversed(names())}
    raise UnknownName("model", model_id, by_spelling)


def _resolved(model_id: str, data: Mapping[str, Any]) -> ModelFacts:
    base = data.get("same_as")
    own = data.get("config") or {}
    if base is None:
        return ModelFacts(
            id=model_id,
            config=own,
            quantization=data.get("quantization"),
            parameters=data.get("parameters"),
            source=data["source"],
            kind=data["kind"],
            note=data.get("note"),
            base=None,
        )
    under = find(base)
    return ModelFacts(
        id=model_id,
        config={**under.config, **own},
        quantization=data.get("quantization", None if "quantization_config" in own else under.quantization),
        parameters=data.get("parameters", under.parameters),
        source=f"{data['source']}; {under.source}",
        kind=data.get("kind", under.kind),
        note=data.get("note"),
        base=under.base or base,
    )
