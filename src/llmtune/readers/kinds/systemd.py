"""systemd units: ``ExecStart=`` with what ``Environment=`` gives it. ``EnvironmentFile=`` is not read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.readers import ReadError
from llmtune.readers.start import servers_of
from llmtune.readers.unit_text import (
    LONGEST,
    bytes_fact,
    command_of,
    environment_of,
    has_section,
    read_section,
    seconds_fact,
    text_fact,
)
from llmtune.spec.server import Document
from llmtune.spec.surroundings import Surroundings

if TYPE_CHECKING:
    from llmtune.readers.source import Source

KIND = "systemd"
ORDER = 20


def recognises(source: Source) -> bool:
    """Whether the text is a unit, or a drop-in of one, that starts something."""
    return "ExecStart" in source.text and has_section(source, "Service")


def read_document(source: Source) -> Document:
    """The servers that a unit starts; none where it starts a script that is elsewhere."""
    if len(source.text) > LONGEST:
        raise ReadError(f"more than {LONGEST} characters are no unit of systemd", name="unreadable-file")
    unit = read_section(source, "Service")
    variables = environment_of(unit)
    known = {variable.name: variable.value for variable in variables}
    commands = [command_of(entry, known) for key in ("ExecStartPre", "ExecStart") for entry in unit.all(key)]
    around = Surroundings(
        platform="host",
        restart=text_fact(unit.last("Restart")),
        grace_period=seconds_fact(unit.last("TimeoutStopSec") or unit.last("TimeoutSec")),
        memory_limit=bytes_fact(unit.last("MemoryMax")),
        complete=not unit.all("EnvironmentFile"),
    )
    found = servers_of([command for command in commands if command.words], around, variables=variables)
    return Document(source.name, KIND, tuple(found))
