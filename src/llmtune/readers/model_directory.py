"""A local model directory: config.json, hf_quant_config.json, and the safetensors headers where there are weights."""

from __future__ import annotations

import json
import struct
from math import prod
from typing import TYPE_CHECKING, Any

from llmtune.spec.record import dataclass

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

LARGEST_CONFIG = 8 << 20  # bytes; a config.json has a few KiB, the longest ignore lists some hundred
LARGEST_TENSOR = 1 << 48  # bytes; more than any storage a tensor has been kept in
LARGEST_HEADER = 100 << 20  # bytes; the format's own limit (safetensors specification)


class ModelDirectoryError(ValueError):
    """A directory that holds no readable model; the message is one line."""


@dataclass(frozen=True, slots=True)
class ModelDirectory:
    """What a directory says of its model. ``stored_bytes`` and ``parameters`` are exact, from safetensors headers."""

    path: Path
    config: Mapping[str, Any]
    quantization: Mapping[str, Any] | None
    stored_bytes: int | None
    parameters: int | None


def read_model_directory(path: Path) -> ModelDirectory:
    """Read a directory, or the config.json in it.

    Raises:
        ModelDirectoryError: when there is no config.json or one that cannot be read.

    """
    directory = path if path.is_dir() else path.parent
    config = _read_json(directory / "config.json" if path.is_dir() else path)
    quantization = directory / "hf_quant_config.json"
    stored, parameters = _measured(directory)
    return ModelDirectory(
        directory, config, _read_quantization(quantization) if quantization.exists() else None, stored, parameters
    )


def _read_quantization(path: Path) -> dict[str, Any]:
    """hf_quant_config.json, as NVIDIA's ModelOpt writes it."""
    found = _read_json(path)
    inner = found.get("quantization", {})
    if not isinstance(inner, dict):
        raise ModelDirectoryError(f"{path}: 'quantization' must be an object, not {type(inner).__name__}")
    return found


def _read_json(path: Path) -> dict[str, Any]:
    """A JSON object from a file of sensible size."""
    try:
        if path.is_dir():
            raise ModelDirectoryError(f"{path} is a directory; a model needs a config.json file there")
        if not path.is_file():
            raise ModelDirectoryError(f"{path} not found; give a model directory, a catalog id or a Hugging Face id")
        if path.stat().st_size > LARGEST_CONFIG:
            raise ModelDirectoryError(f"{path} has {path.stat().st_size >> 20} MiB; that is no model's {path.name}")
        data = json.loads(path.read_bytes())
    except OSError as error:
        raise ModelDirectoryError(f"{path} cannot be read: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        if isinstance(error, ModelDirectoryError):
            raise
        raise ModelDirectoryError(f"{path} is not valid JSON{_where(error)}") from error
    if not isinstance(data, dict):
        raise ModelDirectoryError(f"{path} must hold a JSON object, not {type(data).__name__}")
    return data


def _where(error: Exception) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f": {error.msg} at line {error.lineno}, column {error.colno}"
    return ": nested too deeply" if isinstance(error, RecursionError) else ": not UTF-8 text"


def _measured(directory: Path) -> tuple[int | None, int | None]:
    """Bytes and elements of all tensors, from the headers of *.safetensors; None when there are none."""
    files = sorted(directory.glob("*.safetensors"))
    if not files:
        return None, None
    stored = elements = 0
    for file in files:
        for name, tensor in _header(file).items():
            if name == "__metadata__" or not isinstance(tensor, dict):
                continue
            try:
                size, count = _extent(tensor)
            except (KeyError, TypeError, ValueError) as error:
                raise ModelDirectoryError(f"{file}: its header does not say where {name[:80]!r} lies") from error
            stored += size
            elements += count
    return stored, elements


def _extent(tensor: Mapping[str, Any]) -> tuple[int, int]:
    """Bytes and elements of one tensor of a header."""
    start, end = tensor["data_offsets"]
    numbers = [start, end, *tensor["shape"]]
    if not all(isinstance(number, int) and 0 <= number <= LARGEST_TENSOR for number in numbers) or end < start:
        raise ValueError("not sizes")
    return end - start, prod(tensor["shape"])


def _header(file: Path) -> dict[str, Any]:
    """The JSON header of a safetensors file: 8 bytes of length, then the text."""
    try:
        with file.open("rb") as stream:
            (length,) = struct.unpack("<Q", stream.read(8))
            if length > LARGEST_HEADER:
                raise ModelDirectoryError(f"{file} is no safetensors file: its header would have {length} bytes")
            header = json.loads(stream.read(length))
    except OSError as error:
        raise ModelDirectoryError(f"{file} cannot be read: {error.strerror or error}") from error
    except (struct.error, ValueError, RecursionError) as error:
        if isinstance(error, ModelDirectoryError):
            raise
        raise ModelDirectoryError(f"{file} is no readable safetensors file (Git LFS pointer?)") from error
    if not isinstance(header, dict):
        raise ModelDirectoryError(f"{file} is no readable safetensors file: its header is no object")
    return header
