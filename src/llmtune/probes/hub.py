"""A model from the Hugging Face cache or Hub: config.json, hf_quant_config.json and safetensors headers, no weights.

Tokens, mirrors (HF_ENDPOINT), cache directories and offline mode (HF_HUB_OFFLINE) are what huggingface_hub makes of
them. The network is used only when the cache lacks the model and ``offline`` is off.
"""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from urllib.request import getproxies

from llmtune.spec.record import dataclass

if TYPE_CHECKING:
    from collections.abc import Mapping

CONNECT_SECONDS = 3.0
FILES = ("config.json", "hf_quant_config.json")


class HubError(ValueError):
    """A model that the cache and the Hub do not give; the message is one line."""


@dataclass(frozen=True, slots=True)
class HubModel:
    """The facts of a model on the Hub."""

    id: str
    config: Mapping[str, Any]
    quantization: Mapping[str, Any] | None
    parameters: int | None
    source: str


def find(model_id: str, *, revision: str | None = None, offline: bool = False) -> HubModel:
    """A model by its id, from the cache first.

    Raises:
        HubError: when it is in neither, or may not be read.

    """
    cached = _from_cache(model_id, revision)
    if cached is not None:
        return cached
    if offline:
        known = f"model '{model_id}' is not in the Hugging Face cache"
        raise HubError(f"{known}, and --offline forbids the Hub (so does --no-hub)")
    return _from_hub(model_id, revision)


def _from_cache(model_id: str, revision: str | None) -> HubModel | None:
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        paths = [try_to_load_from_cache(model_id, name, revision=revision) for name in FILES]
    except HFValidationError as error:
        raise HubError(f"'{model_id}' is neither a directory, a catalog model nor a Hugging Face id") from error
    config, quantization = (Path(path) if isinstance(path, str) else None for path in paths)
    if config is None:
        return None
    return HubModel(model_id, _load(config), _load(quantization) if quantization else None, None, "Hugging Face cache")


def _from_hub(model_id: str, revision: str | None) -> HubModel:
    from huggingface_hub import get_safetensors_metadata, hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError, NotASafetensorsRepoError

    _reach(model_id)
    try:
        config = _load(Path(hf_hub_download(model_id, FILES[0], revision=revision)))
        try:
            quantization = _load(Path(hf_hub_download(model_id, FILES[1], revision=revision)))
        except EntryNotFoundError:
            quantization = None
        try:
            count = sum(get_safetensors_metadata(model_id, revision=revision).parameter_count.values())
        except NotASafetensorsRepoError:
            count = None
    except Exception as error:
        raise HubError(_sentence(model_id, error)) from error
    return HubModel(model_id, config, quantization, count, f"Hugging Face Hub{f' at {revision}' if revision else ''}")


def _reach(model_id: str) -> None:
    """One short attempt to connect: without a network the library would try for half a minute before it says so."""
    from huggingface_hub import constants

    address = urlsplit(constants.ENDPOINT)
    if constants.HF_HUB_OFFLINE or any(getproxies().get(scheme) for scheme in ("http", "https", "all")):
        return  # offline mode is the library's to say; a proxy is reached by its own rules
    try:
        port = address.port or (443 if address.scheme == "https" else 80)
        socket.create_connection((address.hostname or "", port), timeout=CONNECT_SECONDS).close()
    except OSError as error:
        message = f"model '{model_id}' is not in the catalog or the cache, and {address.hostname} cannot be reached"
        raise HubError(message) from error


def _sentence(model_id: str, error: Exception) -> str:
    """One line for what the library raised; never its text, which may hold a URL with a token."""
    match type(error).__name__:
        case "GatedRepoError":
            return f"model '{model_id}' is gated: accept its terms on the Hub and set HF_TOKEN"
        case "RepositoryNotFoundError":
            return f"model '{model_id}' is not on the Hub, or private: check the id, or set HF_TOKEN"
        case "RevisionNotFoundError":
            return f"model '{model_id}' has no such revision"
        case "EntryNotFoundError":
            return f"model '{model_id}' has no config.json on the Hub"
        case "OfflineModeIsEnabled" | "LocalEntryNotFoundError":
            return f"model '{model_id}' is not in the catalog or the cache, and the Hub cannot be reached"
        case name:
            return f"model '{model_id}' could not be read from the Hub ({name}); is the network up?"


def _load(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise HubError(f"{path.name} of the cached model cannot be read") from error
    if not isinstance(data, dict):
        raise HubError(f"{path.name} of the cached model is not a JSON object")
    return data
