"""Dockerfiles: what the image that they build starts, on which image, with which variables.

Instructions as in the Dockerfile reference and buildkit (frontend/dockerfile/parser): ``ENTRYPOINT`` and ``CMD`` in
both forms, variables from ``ARG`` and ``ENV``, stages that build on each other. What ``docker run`` adds is not known.
"""

from __future__ import annotations

import re
from dataclasses import field, replace
from typing import TYPE_CHECKING

from llmtune.readers import shell
from llmtune.readers.dockerfile_health import checked_ports, probes_of
from llmtune.readers.dockerfile_lines import Instruction, instructions, items_of
from llmtune.readers.expansions import assigned, expand
from llmtune.readers.launch import pinned
from llmtune.readers.numbers import counted
from llmtune.readers.shell_parts import ASSIGNMENT
from llmtune.readers.shell_values import Value, Variables, outside
from llmtune.readers.shell_words import lex_plain
from llmtune.readers.start import Site, in_container, is_official, of_items
from llmtune.spec.record import dataclass
from llmtune.spec.server import Document, Server, Variable
from llmtune.spec.surroundings import UNKNOWN, Fact, Port, Surroundings
from llmtune.spec.word import Word, hole, is_unknown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llmtune.readers.shell import Command
    from llmtune.readers.source import Excerpt, Source

KIND = "dockerfile"
ORDER = 30
NAME = re.compile(r"(^|[./_-])(dockerfile|containerfile)([._-][\w.-]+)?$", re.IGNORECASE)
FROM = re.compile(
    r"^[ \t]*FROM[ \t]+(?:--\S+[ \t]+)*[^\s#]+(?:[ \t]+AS[ \t]+\S+)?[ \t]*\r?$", re.IGNORECASE | re.MULTILINE
)
BUILDS = re.compile(r"^[ \t]*(RUN|CMD|ENTRYPOINT|COPY|ENV)[ \t]+\S", re.MULTILINE)
PINS = re.compile(r"vllm\S{0,60}(==|@)|/vllm-\d")
MOST_PINS = 50  # RUN instructions that are looked into
MOST_STAGES = 200
STARTS_SCRIPT = re.compile(r"\.(sh|bash)$|^(\./|/)(?!.*/?(bash|sh|sleep|tail|python[\d.]*)$)")


@dataclass(slots=True)
class Stage:
    """What a stage has come to: its image, variables, and what it starts."""

    image: Word | None = None
    build: Variables = field(default_factory=Variables)  # ARG and ENV
    environment: dict[str, Variable] = field(default_factory=dict)
    entrypoint: Instruction | None = None
    command: Instruction | None = None
    inherited: bool = False  # the command is that of the stage it builds on
    health: Instruction | None = None
    ports: list[Port] = field(default_factory=list)
    release: Fact[str] | None = None
    pins: int = 0

    def copy(self, build: Variables) -> Stage:
        """A stage that builds on this one; its ``ARG`` are gone, its ``ENV`` stay."""
        kept = {name: Value((outside(item.value),)) for name, item in self.environment.items()}
        return replace(
            self,
            build=Variables({**build, **kept}),
            environment=dict(self.environment),
            inherited=True,
            ports=list(self.ports),
        )


def recognises(source: Source) -> bool:
    """Whether the text is a Dockerfile: by its name, or because it builds on an image."""
    if not FROM.search(source.text):
        return False
    name = source.title.rsplit("/", 1)[-1]
    if NAME.search(name):
        return True
    return bool(BUILDS.search(source.text)) and ("." not in name or name.startswith("<"))


def read_document(source: Source) -> Document:
    """The server that the last stage starts."""
    stage = _last_stage(source)
    return Document(source.name, KIND, tuple(_servers(stage)) if stage is not None else ())


def _last_stage(source: Source) -> Stage | None:
    """The last stage, with what it takes from those that it builds on."""
    stages: dict[str, Stage] = {}
    outer = Variables()  # ARG before the first FROM
    stage: Stage | None = None
    count = 0
    for instruction in instructions(source):
        if instruction.name == "FROM":
            image, name = _from(instruction, outer)
            if count > MOST_STAGES:
                break
            base = stages.get(image.text.lower()) if image is not None else None
            stage = base.copy(Variables()) if base is not None else Stage(image)
            stages[str(count)], count = stage, count + 1
            if name:
                stages[name.lower()] = stage
        elif stage is None:
            if instruction.name == "ARG":
                _argument(instruction, outer, outer)
        else:
            _take(instruction, stage, outer)
    return stage


def _from(instruction: Instruction, outer: Variables) -> tuple[Word | None, str]:
    """The image of a ``FROM`` and the stage's name."""
    words = [word for word in _words(instruction.value, outer) if not word.text.startswith("--")]
    named = len(words) > 2 and words[1].text.upper() == "AS"  # noqa: PLR2004 - FROM image AS name
    return (words[0] if words else None), words[2].text if named else ""


def _words(value: Excerpt, variables: Variables) -> list[Word]:
    """A value's words with the variables of the build filled in; places are those of the words as written."""
    found = []
    for raw in lex_plain(value.text):
        items = expand(raw, variables, value.text)
        if items:
            found.append(Word("".join(item.text for item in items), value.span(raw.start, raw.end)))
    return found


def _take(instruction: Instruction, stage: Stage, outer: Variables) -> None:
    """One instruction of a stage."""
    match instruction.name:
        case "ARG":
            _argument(instruction, stage.build, outer)
        case "ENV":
            _variables(instruction, stage)
        case "ENTRYPOINT":
            stage.entrypoint = instruction
            stage.command = None if stage.inherited else stage.command
        case "CMD":
            stage.command, stage.inherited = instruction, False
        case "HEALTHCHECK":
            stage.health = instruction
        case "EXPOSE":
            stage.ports += _exposed(instruction, stage.build)
        case "RUN" if PINS.search(instruction.value.text) and stage.pins < MOST_PINS:
            stage.pins += 1
            stage.release = _installed(instruction, stage.build) or stage.release
        case _:
            pass


def _exposed(instruction: Instruction, build: Variables) -> Iterator[Port]:
    for word in _words(instruction.value, build):
        number = counted(word.text.partition("/")[0])
        if number is not None and word.span is not None:
            yield Port(number, word.span, "container")


def _installed(instruction: Instruction, build: Variables) -> Fact[str] | None:
    """The release of vLLM that a ``RUN`` installs."""
    known = {name: value.text for name, value in build.items()}
    releases = [pinned(command) for command in shell.commands(instruction.value, known)]
    return next((release for release in reversed(releases) if release is not None), None)


def _argument(instruction: Instruction, variables: Variables, outer: Variables) -> None:
    """``ARG X=default``; ``ARG X`` in a stage takes what stands before the first ``FROM``."""
    text = instruction.value.text
    for raw in lex_plain(text):
        head = ASSIGNMENT.match(raw.head)
        if head:
            value = assigned(raw, variables, text).text
            if value:
                variables[head[1]] = Value((outside(value),))
        elif raw.head in outer:
            variables[raw.head] = outer[raw.head]


def _variables(instruction: Instruction, stage: Stage) -> None:
    """``ENV X=1 Y=2``, or ``ENV X 1`` as of old."""
    value, text = instruction.value, instruction.value.text
    raws = lex_plain(text)
    if raws and not ASSIGNMENT.match(raws[0].head):
        name, *rest = [word.text for word in _words(value, stage.build)] or [""]
        said = " ".join(rest)
        _set(stage, name, said, Word(f"{name}={said}", value.span(0, len(text.rstrip())), instruction.lines))
        return
    for raw in raws:
        head = ASSIGNMENT.match(raw.head)
        if head:
            said = assigned(raw, stage.build, text).text
            whole = f"{head[1]}={said}"
            extent = instruction.lines if len(raws) == 1 else None
            plain = text[raw.start : raw.end] == whole and value.is_plain(raw.start, raw.end)
            _set(stage, head[1], said, Word(whole, value.span(raw.start, raw.end), extent, plain))


def _set(stage: Stage, name: str, value: str, word: Word) -> None:
    stage.build[name] = Value((outside(value),))
    stage.environment[name] = Variable(name, value, word)


def _servers(stage: Stage) -> list[Server]:
    """The server that a container of this image runs."""
    image = stage.image.text if stage.image is not None else ""
    variables = tuple(stage.environment.values())
    place = stage.command or stage.entrypoint
    at = place.span if place is not None else stage.image.span if stage.image is not None else None
    if at is None:
        return []
    site = Site(_around(stage), f"line {at.line}", at, variables, stage.release, image=image)
    if place is None:
        return [_hidden(site)] if is_official(image) else []
    command = _command(stage)
    if not command.words:
        return [_hidden(site)] if is_official(image) and stage.entrypoint is None else []
    found = in_container(command, site)
    if not found:
        program = command.words[0].text
        script = STARTS_SCRIPT.search(program) or any(word.text.endswith(".sh") for word in command.words[:3])
        return [_hidden(site, script=True)] if script and is_official(image) else []
    exec_form = stage.entrypoint is not None and items_of(stage.entrypoint.value) is not None
    return [_completed(server) if exec_form or server.entry == "image" else server for server in found]


def _hidden(site: Site, *, script: bool = False) -> Server:
    """A server of which the arguments are given where the image is run, or by a script."""
    assert site.span is not None
    around = replace(site.surroundings, complete=False, replaces_entrypoint=script)
    word = Word(hole("..."), site.span, open=True)
    return Server(site.name, site.span, "image", (word,), None, site.variables, around, site.release)


def _completed(server: Server) -> Server:
    """A server without a model gets its arguments where the image is run, instead of those of ``CMD``."""
    flags = [word.text.partition("=")[0] for word in server.words]
    if (server.words and not flags[0].startswith("-")) or "--model" in flags or "--config" in flags:
        return server
    return replace(server, words=(*server.words, Word(hole("..."), server.span, open=True)))


def _command(stage: Stage) -> Command:
    """``ENTRYPOINT`` with the arguments of ``CMD``; a shell form is a script of ``/bin/sh -c``."""
    pairs: list[tuple[Word, Excerpt]] = []
    for instruction in (stage.entrypoint, stage.command):
        items = items_of(instruction.value) if instruction is not None else []
        if items is None and instruction is not None:
            items = _shell_form(instruction)
            if instruction is stage.entrypoint:
                pairs = items
                break  # it takes no arguments
        pairs += items or []
    place = stage.command or stage.entrypoint
    words, texts = [word for word, _ in pairs], [text for _, text in pairs]
    return of_items(words, texts, place.span if place is not None else None)


def _shell_form(instruction: Instruction) -> list[tuple[Word, Excerpt]]:
    script = instruction.value
    program = Word("/bin/sh", instruction.span)
    empty = script.part(0, 0)
    return [(program, empty), (Word("-c"), empty), (Word(script.text, instruction.span), script)]


def _around(stage: Stage) -> Surroundings:
    image = stage.image
    fact: Fact[str] | None = None
    if image is not None and image.span is not None:
        fact = Fact[str](UNKNOWN if is_unknown(image.text) else image.text, image.span)
    return Surroundings(
        platform="dockerfile",
        image=fact,
        ports=(*stage.ports, *(checked_ports(stage.health) if stage.health is not None else ())),
        probes=tuple(probes_of(stage.health)) if stage.health is not None else (),
        replaces_entrypoint=stage.entrypoint is not None,
        complete=False,
    )
