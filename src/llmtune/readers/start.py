"""The servers that commands start, and what an image's ENTRYPOINT does to a container's arguments.

``servers_of`` takes the commands of a script; ``container_servers`` takes what a container is given and knows whether
its image starts vLLM by itself. Both look into ``bash -c`` strings and ``docker run``.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from llmtune.readers import shell
from llmtune.readers.launch import (
    SHELLS,
    Start,
    asks_for_help,
    behind_prefixes,
    find_start,
    image_of,
    pinned,
    program_of,
    script_of,
)
from llmtune.readers.mistakes import typographic
from llmtune.spec.finding import Edit, Fix, Notice
from llmtune.spec.record import dataclass
from llmtune.spec.server import Server
from llmtune.spec.surroundings import UNKNOWN, Surroundings
from llmtune.spec.word import Word, hole, is_unknown, shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from llmtune.readers.shell import Command
    from llmtune.readers.source import Excerpt
    from llmtune.spec.server import Variable
    from llmtune.spec.span import Span
    from llmtune.spec.surroundings import Fact

__all__ = ["SHELLS", "Site", "container_servers", "in_container", "is_official", "names_vllm", "of_items", "servers_of"]

CONTAINERS = frozenset({"docker", "podman", "nerdctl"})
RUNTIME = re.compile(r"docker|podman|nerdctl|container|runtime|engine", re.IGNORECASE)
DEEPEST = 3  # bash -c in bash -c in bash -c
OFFICIAL_IMAGE = re.compile(r"(?:^|/)vllm-openai(?:-[\w-]+)?(?:[:@]|$)")  # its ENTRYPOINT starts the server
OTHER_IMAGE = re.compile(
    r"router|stack|gateway|controller|operator|exporter|sidecar|bench|client|webui|base", re.IGNORECASE
)
NO_MODELS = SHELLS | {"sleep", "tail", "python", "python3", "nvidia-smi", "ray", "pip", "ls", "cat", "echo", "env"}
TELLING = re.compile(
    r"--(max[-_]model[-_]len|gpu[-_]memory[-_]utilization|tensor[-_]parallel[-_]size|served[-_]model[-_]name"
    r"|max[-_]num[-_](seqs|batched[-_]tokens)|enforce[-_]eager|enable[-_]prefix[-_]caching|enable[-_]chunked[-_]prefill"
    r"|enable[-_]auto[-_]tool[-_]choice|kv[-_]cache[-_]dtype)(=|$)"
)
INSTEAD = {"docker": "--entrypoint", "quadlet": "Entrypoint=", "dockerfile": "ENTRYPOINT", "kubernetes": "'command:'"}
CURLY = re.compile("[\u2018\u2019\u201c\u201d\u201e]")


@dataclass(frozen=True, slots=True)
class Site:
    """What is the same for every server of a script."""

    surroundings: Surroundings
    name: str = ""
    span: Span | None = None
    variables: tuple[Variable, ...] = ()
    release: Fact[str] | None = None
    prologue: tuple[tuple[Word, ...], ...] = ()
    image: str = ""  # as written, with its holes
    depth: int = 0


def servers_of(
    commands: Sequence[Command],
    surroundings: Surroundings | None = None,
    *,
    name: str = "",
    span: Span | None = None,
    variables: Iterable[Variable] = (),
    release: Fact[str] | None = None,
) -> list[Server]:
    """The servers that commands start, in their order; each with the other commands before it as its prologue.

    ``name`` and ``span`` are those of a container or service; without them a server is called after its line.
    """
    return _servers(commands, Site(surroundings or Surroundings(), name, span, tuple(variables), release))


def container_servers(  # noqa: PLR0913 - the parts of a server
    command: Command,
    surroundings: Surroundings,
    *,
    name: str = "",
    span: Span | None = None,
    variables: Iterable[Variable] = (),
    release: Fact[str] | None = None,
    image: str = "",
) -> list[Server]:
    """The servers of a container that is given a command.

    ``surroundings`` has its image and whether its ENTRYPOINT is replaced. ``image`` is its name with holes, where the
    surroundings do not know it.
    """
    return in_container(command, Site(surroundings, name, span, tuple(variables), release, image=image))


def of_items(words: Sequence[Word], texts: Sequence[Excerpt], span: Span | None = None) -> Command:
    """A list of arguments (``["vllm", "serve", "m"]`` in YAML or JSON) as a command."""
    return shell.Command(tuple(words), (), span or (words[0].span if words else None), tuple(texts))


def is_official(image: str) -> bool:
    """Whether an image is vLLM's own, whose ENTRYPOINT starts the server.

    >>> is_official("docker.io/vllm/vllm-openai:v0.8.5"), is_official("rocm/vllm:latest")
    (True, False)
    """
    return bool(OFFICIAL_IMAGE.search(image))


def names_vllm(image: str) -> bool:
    """Whether an image is vLLM's own or somebody's build of it, as far as its name or the list of images tells.

    >>> names_vllm("ghcr.io/me/vllm-cuda:1"), names_vllm("me/vllm-router"), names_vllm("ghcr.io/llm-d/llm-d:v0.6.0")
    (True, False, True)
    """
    if is_official(image) or ("vllm" in image.lower() and not OTHER_IMAGE.search(_last_part(image))):
        return True
    from llmtune.catalog import images  # noqa: PLC0415 - few images are called otherwise

    known = images.identify(image) if image and not is_unknown(image) else None
    return known is not None and known.runs_vllm is True and known.entrypoint in {"serve", "api_server"}


def _last_part(image: str) -> str:
    return image.split("@", maxsplit=1)[0].rsplit("/", 1)[-1].split(":", maxsplit=1)[0]


def _servers(commands: Sequence[Command], site: Site) -> list[Server]:
    found: list[Server] = []
    before: list[tuple[Word, ...]] = [*site.prologue]
    release = site.release
    for command in commands:
        here = _of_command(command, replace(site, prologue=tuple(before), release=release)) if command.words else []
        found += here
        if not here:
            before.append(command.words)
            release = pinned(command) or release
    return found


def _of_command(command: Command, site: Site) -> list[Server]:
    """The servers that one command starts."""
    at, own = behind_prefixes(command)
    if at >= len(command.words):
        return []
    if program_of(command.words[at]) in CONTAINERS or _runs_containers(command.words[at : at + 2]):
        from llmtune.readers.docker_run import servers_of_docker  # noqa: PLC0415 - it imports this module

        return servers_of_docker(command, at, replace(site, variables=(*site.variables, *command.variables)))
    start = find_start(command, at) if program_of(command.words[at]) != "eval" else None
    if start is not None:
        return [_server(command, replace(start, variables=(*own, *start.variables)), site)]
    inner = script_of(command, at) if site.depth < DEEPEST else None
    if inner is None or not inner.text:
        return []
    variables = {variable.name: variable for variable in (*site.variables, *command.variables, *own)}
    known = {variable.name: variable.value for variable in variables.values()}
    deeper = replace(site, variables=tuple(variables.values()), depth=site.depth + 1)
    return _noticed(_servers(shell.commands(inner, known), deeper), command.notices)


def _runs_containers(words: Sequence[Word]) -> bool:
    """Whether a variable names the program that runs containers: ``$RUNTIME run``."""
    hidden = is_unknown(words[0].text) and bool(RUNTIME.search(words[0].text))
    return hidden and len(words) > 1 and words[1].text == "run"


def _server(command: Command, start: Start, site: Site) -> Server:
    words = tuple(_elided(word) for word in command.words[start.at :])
    span = site.span or command.span or command.words[0].span
    assert span is not None
    variables = {item.name: item for item in (*site.variables, *command.variables, *start.variables)}
    around, image = site.surroundings, image_of(command)
    if around.image is None and image is not None:
        around = replace(around, image=image)
    elif around.image is not None and around.image.value is UNKNOWN:
        around = replace(around, image_written=site.image)
    return Server(
        name=site.name or f"line {span.line}",
        span=span,
        entry=start.entry,
        words=words,
        variables=tuple(variables.values()),
        surroundings=around,
        release=pinned(command) or site.release,
        prologue=site.prologue,
        notices=(*command.notices, *start.notices, *_curly(words)),
    )


def _elided(word: Word) -> Word:
    """An ellipsis stands for arguments that a reader of the docs knows."""
    return Word(hole(word.text), word.span, word.extent, open=True) if word.text in {"...", "\u2026"} else word


def _noticed(servers: Iterable[Server], notices: Sequence[Notice]) -> list[Server]:
    return [replace(server, notices=(*server.notices, *notices)) if notices else server for server in servers]


def in_container(command: Command, site: Site) -> list[Server]:
    """The servers of a container: its arguments go to the image's ENTRYPOINT, unless that is replaced."""
    if site.surroundings.replaces_entrypoint:
        return _servers([command], site)
    stated = site.surroundings.image
    image = site.image or (stated.value if stated is not None and isinstance(stated.value, str) else "")
    official = is_official(image)
    start = find_start(command, behind_prefixes(command)[0]) if command.words else None
    if start is not None and official:
        return [_server(command, _of_image(start.at, _repeated(command, start.at, site), *start.notices), site)]
    inside = _servers([command], site)
    if inside and official:
        return _noticed(inside, (_shell_repeated(command, site),))
    if inside or not _starts_vllm(command, image) or asks_for_help(command.words):
        return inside
    if command.words and command.words[0].text == "serve":
        notices = (_repeated(command, 1, site),) if official else ()
        return [_server(command, _of_image(1, *notices), site)]
    return [_server(command, _of_image(0), site)]


def _of_image(at: int, *notices: Notice) -> Start:
    return Start("image", at, (), notices)


def _starts_vllm(command: Command, image: str) -> bool:
    """Whether arguments that name no program are for an image that starts vLLM."""
    words = command.words
    if not words:
        return is_official(image)
    hidden = not image or is_unknown(_last_part(image))
    known = names_vllm(image)
    if words[0].text.startswith("-") or words[0].open:
        return known or (hidden and any(TELLING.match(word.text) for word in words))
    model = (
        words[0].text == "serve"
        or is_unknown(words[0].text)
        or "/" in words[0].text
        or any(word.text.startswith("--") for word in words)
    )
    program = words[0].text.startswith(("/bin/", "/usr/", "/entrypoint")) or words[0].text.endswith((".sh", ".py"))
    return known and model and not program and program_of(words[0]) not in NO_MODELS


def _repeated(command: Command, count: int, site: Site) -> Notice:
    """``vllm serve`` as arguments of an image that starts it itself."""
    words = command.words[:count]
    written = " ".join(shown(word.text) for word in words)
    where = INSTEAD.get(site.surroundings.platform, "'entrypoint:'")
    message = f"the image starts vLLM itself, so '{written}' becomes an argument of it; leave it out, or use {where}"
    extents = [word.extent for word in words]
    edits = tuple(Edit(extent, "") for extent in extents if extent is not None)
    fix = Fix(f"leave out '{written}'", edits, safe=False) if len(edits) == count else None
    return Notice("entrypoint-repeated", message, words[0].span, fix)


def _shell_repeated(command: Command, site: Site) -> Notice:
    where = INSTEAD.get(site.surroundings.platform, "'entrypoint:'")
    written = shown(command.words[0].text)
    message = (
        f"the image starts vLLM itself, so '{written}' becomes an argument of it; make it the program with {where}"
    )
    if site.surroundings.platform == "dockerfile" and command.words[0].extent is None:
        message = (
            "the image starts vLLM itself and gets this line as arguments of its own; write CMD [...], "
            "without 'vllm serve'"
        )
    return Notice("entrypoint-repeated", message, command.words[0].span)


def _curly(words: Iterable[Word]) -> list[Notice]:
    """Quotes that a word processor put there: a shell leaves them in the word."""
    problems = [typographic(word) for word in words if word.plain and CURLY.search(word.text)]
    return [problem.notice() for problem in problems if problem is not None]
