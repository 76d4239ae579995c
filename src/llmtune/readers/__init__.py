"""Files and command lines to deployments: one module per kind of file.

A module that reads a kind of file has ``KIND``, ``recognises(source)`` and ``read_document(source)``: it finds servers,
their words and what stands around them, and knows no release. ``server.read_server`` makes a deployment of a server for
a release.
"""

from __future__ import annotations

import re
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llmtune.spec.finding import Notice, place
from llmtune.spec.record import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable

    from llmtune.spec.deployment import Deployment
    from llmtune.spec.engine import EngineVersion
    from llmtune.spec.finding import Fix
    from llmtune.spec.server import Document, Server
    from llmtune.spec.span import Span
    from llmtune.spec.word import Word

__all__ = ["Notice", "ReadError", "Reading", "place", "raise_problems", "read", "read_document", "read_text"]

REFUSED = frozenset({"broken-continuation", "open-quote", "demo-server-module", "entrypoint-repeated"})
USE = re.compile(r"""(?:\b(VLLM_\w+)["']?[=:]\s*["']?)?(?:\$[{(]?|%|environ\S{0,6}["'])(VLLM_\w+)""")
LARGEST = 1 << 20  # bytes; the largest public deployment file seen has 40 KB


class ReadError(ValueError):
    """Something that cannot be read, in one line: what, where, what to do.

    Args:
        message: the line without its place.
        name: the mistake in kebab-case, as a lint rule would be called (``unknown-flag``).
        span: where it stands.

    ``others`` are further mistakes found in the same text. ``fix`` mends it; ``flag`` is the flag as written that it
    is about, and ``words`` are that flag with what follows it. ``late``: the parser takes it, and the engine refuses it
    later, so that it is an answer and no mistake in the input.
    """

    def __init__(
        self, message: str, *, name: str, span: Span | None = None, fix: Fix | None = None, flag: str = ""
    ) -> None:
        super().__init__(message)
        self.message = message
        self.name = name
        self.span = span
        self.fix = fix
        self.flag = flag
        self.words: tuple[Word, ...] = ()
        self.late = False
        self.others: tuple[ReadError, ...] = ()

    def __str__(self) -> str:
        """The line with its place in front."""
        return f"{place(self.span)}{self.message}"

    def notice(self) -> Notice:
        """The mistake as something to be reported instead of raised."""
        return Notice(self.name, self.message, self.span, self.fix, self.flag, self.words)


@dataclass(frozen=True, slots=True)
class Reading:
    """What a server is for a release.

    ``problems`` are what its parser refuses, ``warnings`` what it accepts without doing what is meant. ``open_ended``:
    a variable or a file that is not here may hold further settings.
    """

    deployment: Deployment
    warnings: tuple[Notice, ...] = ()
    problems: tuple[ReadError, ...] = ()
    model_word: Word | None = None
    open_ended: bool = False


def read(
    source: Path | str,
    engine: EngineVersion | Callable[[Server], EngineVersion],
    *,
    file: str = "",
    directory: Path | None = None,
    kind: str | None = None,
) -> Reading:
    """The one server in a file (a ``Path``) or a text (a ``str``: a command line, a config) of any kind that is known.

    ``engine`` may be a function that tells the release from the server; ``kind`` names the reader where the text alone
    does not tell.

    Raises:
        ReadError: when no reader knows the text, it has not exactly one server, or the engine refuses what it says.

    """
    from llmtune.readers.server import read_server  # noqa: PLC0415 - it imports this module

    name = str(source) if isinstance(source, Path) else file
    text = read_text(source) if isinstance(source, Path) else source
    document = read_document(text, name, kind) or _plain_config(text, name)
    if document is None:
        message = (
            f"{name or 'the text'} is no vLLM configuration that is known; "
            "give a 'vllm serve' command or a --config YAML file"
        )
        raise ReadError(message, name="unknown-kind-of-file")
    if len(document.servers) > 1:
        message = "a second server; give one file or text for each server"
        raise ReadError(message, name="several-servers", span=document.servers[1].span)
    if not document.servers:
        message = f"{name or 'the text'} starts no vLLM server; write a 'vllm serve' command"
        raise ReadError(message, name="no-server-command")
    server = document.servers[0]
    refuse(server)
    reading = read_server(server, engine(server) if callable(engine) else engine, directory=directory)
    return raise_problems(replace(reading, warnings=(*document.notices, *reading.warnings)))


def _plain_config(text: str, name: str) -> Document | None:
    """A ``--config`` file without a key that only vLLM has: whoever names it says what it is."""
    from llmtune.readers.kinds import vllm_yaml  # noqa: PLC0415 - it imports this module
    from llmtune.readers.source import Source  # noqa: PLC0415

    try:
        return vllm_yaml.read_document(Source(text, name or "<text>"))
    except ReadError:
        if name.endswith((".yaml", ".yml")):
            raise
        return None


def refuse(server: Server) -> None:
    """Refuse a command that a shell or a container takes apart in another way than was meant.

    Raises:
        ReadError: for the first such mistake.

    """
    for notice in server.notices:
        if notice.name in REFUSED:
            raise ReadError(notice.message, name=notice.name, span=notice.span, fix=notice.fix)


def raise_problems(reading: Reading) -> Reading:
    """A reading that the engine accepts.

    Raises:
        ReadError: for the first thing it refuses; ``others`` holds the rest.

    """
    from llmtune.readers.arguments import raise_all  # noqa: PLC0415 - it imports this module

    raise_all(reading.problems)
    return reading


def read_document(text: str, name: str, kind: str | None = None) -> Document | None:
    """What a text holds, read by the first reader that recognises it; None when none does.

    A reader is a module with ``KIND``, ``recognises(source) -> bool`` and ``read_document(source) -> Document``;
    ``kind`` names one. ``ORDER`` (default 50) says which is asked first: precise ones have low numbers.

    Raises:
        ReadError: when the text cannot be read as what it is.

    """
    from llmtune.readers.source import Source  # noqa: PLC0415 - it is small, but only files need it

    source = Source(text, name or "<text>")
    for reader in readers():
        if kind == reader.KIND or (kind is None and reader.recognises(source)):
            try:
                found: Document = reader.read_document(source)
            except RecursionError as error:  # aliases within aliases: each of them is shallow
                raise ReadError("nested too deeply for a deployment file", name="invalid-yaml") from error
            return replace(found, uses=found.uses | used_variables(text))
    return None


def used_variables(text: str) -> frozenset[str]:
    """The variables of vLLM's prefix that a text reads, except to hand them on under their own name.

    >>> sorted(used_variables("VLLM_A=${VLLM_A:-1} vllm serve $VLLM_B --port $(VLLM_C)"))
    ['VLLM_B', 'VLLM_C']
    """
    if "VLLM_" not in text:
        return frozenset()
    return frozenset(name for own, name in USE.findall(text) if own != name)


def read_text(path: Path) -> str:
    """The text of a small UTF-8 file.

    Raises:
        ReadError: when there is no such file, or it is a directory, too large or not UTF-8 text.

    """
    if "\0" in str(path):
        raise ReadError("a path that holds a zero character; correct it", name="unreadable-file")
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


@lru_cache(maxsize=1)
def readers() -> tuple[Any, ...]:
    """Every reader of deployment files, in the order in which they are asked."""
    from importlib import import_module  # noqa: PLC0415 - modules of this package import this one
    from pkgutil import iter_modules  # noqa: PLC0415

    from llmtune.readers import kinds  # noqa: PLC0415

    found = [import_module(f"{kinds.__name__}.{module.name}") for module in iter_modules(kinds.__path__)]
    return tuple(sorted(found, key=lambda module: (getattr(module, "ORDER", 50), module.__name__)))
