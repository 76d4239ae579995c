"""What a file says before a release is known: servers with their arguments as words, and where they run."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING

from llmtune.spec.record import dataclass
from llmtune.spec.surroundings import Surroundings

if TYPE_CHECKING:
    from llmtune.spec.finding import Notice
    from llmtune.spec.span import Span
    from llmtune.spec.surroundings import Fact
    from llmtune.spec.word import Word


@dataclass(frozen=True, slots=True)
class Variable:
    """An environment variable that the file sets: its value as written, which may hold a hole.

    ``word`` is the entry that sets it, ``secret``: its value comes from a store of secrets (``valueFrom``).
    ``written_as``: shell, list (``- X=y``), map, kubernetes. One without a name stands for those that come from
    elsewhere (``env_file``, ``envFrom``), whatever they are called.
    """

    name: str
    value: str
    word: Word
    written_as: str = "shell"
    secret: bool = False


@dataclass(frozen=True, slots=True)
class ConfigText:
    """Settings written as YAML keys. ``kind``: ``file`` (of ``vllm serve --config``) or ``engine`` (engine_kwargs)."""

    kind: str
    entries: object  # a yaml_tree.Yaml mapping; only readers look inside


@dataclass(frozen=True, slots=True)
class Server:
    """One vLLM server as a file starts it, before a release's parser has seen the arguments.

    ``entry``: ``serve`` (``vllm serve``), ``api_server`` (``python -m vllm.entrypoints.openai.api_server``), ``image``
    (arguments for the image's ENTRYPOINT, whichever that is), ``config`` (a --config file on its own), ``engine``
    (engine arguments by name). ``words`` are the arguments behind it. ``prologue`` are the other commands that the
    same script or entry point runs, each as its words. ``release`` is what the file itself says of vLLM's release
    (a pip pin, an explicit field), in its own words; an image's tag is read from ``surroundings.image``.
    """

    name: str
    span: Span
    entry: str
    words: tuple[Word, ...] = ()
    config: ConfigText | None = None
    variables: tuple[Variable, ...] = ()
    surroundings: Surroundings = field(default_factory=Surroundings)
    release: Fact[str] | None = None
    prologue: tuple[tuple[Word, ...], ...] = ()
    notices: tuple[Notice, ...] = ()


@dataclass(frozen=True, slots=True)
class Document:
    """One file: its kind, its servers, and what is wrong with it as a whole. ``uses`` are the variables it reads."""

    path: str
    kind: str
    servers: tuple[Server, ...] = ()
    notices: tuple[Notice, ...] = ()
    uses: frozenset[str] = frozenset()
