"""Files and command lines to deployments: one module per kind of file.

A module that reads a kind of file has ``recognises(text, name)`` and ``read(text, engine, file=...)``; ``read`` here
finds the one that knows a text. What a reader finds worth saying without refusing comes back as notices.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from llmtune.spec.record import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llmtune.spec.deployment import Deployment, Span
    from llmtune.spec.engine import EngineVersion

LARGEST = 1 << 20  # bytes; the largest public deployment file seen has 40 KB


class ReadError(ValueError):
    """Something that cannot be read, in one line: what, where, what to do.

    Args:
        message: the line without its place.
        name: the mistake in kebab-case, as a lint rule would be called (``unknown-flag``).
        span: where it stands.

    ``others`` are further mistakes found in the same text.
    """

    def __init__(self, message: str, *, name: str, span: Span | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.name = name
        self.span = span
        self.others: tuple[ReadError, ...] = ()

    def __str__(self) -> str:
        """The line with its place in front."""
        return f"{place(self.span)}{self.message}"


@dataclass(frozen=True, slots=True)
class Notice:
    """A warning of a reader: the engine accepts this, but it does not do what it seems to."""

    name: str
    message: str
    span: Span | None = None

    def __str__(self) -> str:
        """The line with its place in front."""
        return f"{place(self.span)}{self.message}"


@dataclass(frozen=True, slots=True)
class Reading:
    """What a reader made of a text."""

    deployment: Deployment
    warnings: tuple[Notice, ...] = ()


def place(span: Span | None) -> str:
    """A span as the front of a message: ``vllm.yaml:3:1: ``."""
    return f"{span.file}:{span.line}:{span.column}: " if span else ""


def read(source: Path | str, engine: EngineVersion) -> Reading:
    """Read a file (a ``Path``) or a text (a ``str``: a command line, a config) of any kind that is known.

    Raises:
        ReadError: when no reader knows the text, or the one that does refuses it.

    """
    name = str(source) if isinstance(source, Path) else ""
    text = read_text(source) if isinstance(source, Path) else source
    for reader in _readers():
        if reader.recognises(text, name):
            reading: Reading = reader.read(text, engine, file=name or "<text>")
            return reading
    what = name or "the text"
    message = f"{what} is no vLLM configuration that is known; give a 'vllm serve' command or a --config YAML file"
    raise ReadError(message, name="unknown-kind-of-file")


def read_text(path: Path) -> str:
    """The text of a small UTF-8 file.

    Raises:
        ReadError: when there is no such file, or it is a directory, too large or not UTF-8 text.

    """
    try:
        if path.is_dir():
            raise ReadError(f"{path} is a directory; name a file in it", name="unreadable-file")
        with path.open("rb") as file:
            data = file.read(LARGEST + 1)
    except OSError as error:
        message = f"cannot read {path}: {error.strerror or error}; check the path and its permissions"
        raise ReadError(message, name="unreadable-file") from error
    if len(data) > LARGEST:
        raise ReadError(f"{path} is larger than {LARGEST} bytes; name a configuration file", name="file-too-large")
    return decode(data, str(path))


def decode(data: bytes, name: str) -> str:
    """UTF-8 bytes to text without a byte order mark.

    Raises:
        ReadError: when they are something else (UTF-16, binary).

    """
    wrong = f"{name} is not UTF-8 text; save it as UTF-8"
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ReadError(wrong, name="not-utf8") from error
    if "\0" in text:
        raise ReadError(wrong, name="not-utf8")
    return text


def _readers() -> Iterator[Any]:
    from importlib import import_module  # noqa: PLC0415 - modules of this package import this one
    from pkgutil import iter_modules  # noqa: PLC0415

    for module in sorted(module.name for module in iter_modules(__path__)):
        reader = import_module(f"{__name__}.{module}")
        if hasattr(reader, "recognises"):
            yield reader
