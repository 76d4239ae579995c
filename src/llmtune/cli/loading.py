"""Finds what the user named: a model, an engine release, a scenario. The only place that knows all sources."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from llmtune.architectures import read_model
from llmtune.catalog import UnknownName, engines, models
from llmtune.cli.errors import UserError

if TYPE_CHECKING:
    from llmtune.spec.engine import EngineVersion
    from llmtune.spec.model import Model

LONGEST_ID = 200  # characters; the Hub allows 96
WAYS_TO_NAME = "give a Hugging Face id, a catalog id or a directory with a config.json"
MISMATCH = 0.02  # share by which stored weights may differ from the described ones before it is said


def load_engine(text: str | None) -> EngineVersion:
    """An engine release; the newest known when none is named."""
    return engines.find(engines.newest() if text is None else text)


def load_model(reference: str, *, offline: bool = False, assume_architecture: str | None = None) -> Model:
    """A model from a local directory, the catalogue, the Hugging Face cache or the Hub, in this order.

    Raises:
        UserError: when no source has it.

    """
    if not reference.strip():
        raise UserError(f"no model named; {WAYS_TO_NAME}")
    path = _local(reference)
    if path is not None:
        return _from_directory(path, reference, assume_architecture)
    try:
        facts = models.find(reference)
    except UnknownName as unknown:
        return _from_hub(reference, unknown, offline=offline, assume_architecture=assume_architecture)
    config = {**facts.config, "architectures": [assume_architecture]} if assume_architecture else facts.config
    model = read_model(config, facts.quantization, model_id=facts.id, source=facts.source, parameters=facts.parameters)
    return replace(model, notes=(*model.notes, facts.note)) if facts.note else model


def _local(reference: str) -> Path | None:
    """The path that a reference means; None when it is an id."""
    try:
        path = Path(reference).expanduser()
        if path.exists() or reference.startswith((".", "/", "~")):
            return path
    except (OSError, RuntimeError, ValueError) as error:  # too long, no such user, a zero byte
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"'{reference[:LONGEST_ID]}' is no model ({reason}); {WAYS_TO_NAME}") from error
    if len(reference) > LONGEST_ID:
        raise UserError(f"'{reference[:LONGEST_ID]}...' is too long for a model id; {WAYS_TO_NAME}")
    return None


def _from_directory(path: Path, reference: str, assumed: str | None) -> Model:
    from llmtune.readers.model_directory import read_model_directory  # noqa: PLC0415 - only for directories

    found = read_model_directory(path)
    config = {**found.config, "architectures": [assumed]} if assumed else found.config
    model = read_model(
        config, found.quantization, model_id=reference, source=str(found.path), parameters=found.parameters
    )
    note = _compare_stored(model, found.stored_bytes)
    return replace(model, notes=(*model.notes, note)) if note else model


def _compare_stored(model: Model, stored: int | None) -> str | None:
    """A warning when the safetensors files hold clearly more or less than the layers describe."""
    if stored is None:
        return None
    from llmtune.calc.weights import Split, module_bytes, weigh_whole  # noqa: PLC0415 - only with weights at hand

    split = Split(1, 1, 1, None)
    described = weigh_whole(model, split)
    drafts = sum(module_bytes(module, split) for layer in model.draft for module in layer.modules)
    if any(abs(size - stored) <= MISMATCH * stored for size in (described, described + drafts)):
        return None
    return (
        f"the safetensors files hold {stored / 2**30:.2f} GiB, the layers of {model.architecture} in config.json "
        f"{described / 2**30:.2f} GiB: parts the engine does not load (draft layers), or a config that does not match"
    )


def _from_hub(reference: str, unknown: UnknownName, *, offline: bool, assume_architecture: str | None) -> Model:
    """The cache and the Hub; an id without an organisation cannot be there, so the catalogue's answer stands."""
    if reference.count("/") != 1:
        raise unknown
    from llmtune.probes import hub  # noqa: PLC0415 - the library takes 100 ms

    try:
        found = hub.find(reference, offline=offline)
    except hub.HubError as error:
        hint = f" Did you mean '{unknown.suggestions[0]}'?" if unknown.suggestions else ""
        raise UserError(f"{error}.{hint}") from error
    config = {**found.config, "architectures": [assume_architecture]} if assume_architecture else found.config
    return read_model(config, found.quantization, model_id=reference, source=found.source, parameters=found.parameters)
