"""What a Dockerfile's ``HEALTHCHECK`` asks, and how long it waits."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from llmtune.readers.compose_facts import DURATION, HEALTH_PATH, UNITS
from llmtune.readers.compose_ports import OWN_ADDRESS
from llmtune.readers.numbers import counted
from llmtune.spec.surroundings import Port, Probe

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llmtune.readers.dockerfile_lines import Instruction

OPTION = re.compile(r"--(interval|start-period|retries)=(\S+)")
PERIOD, RETRIES = 30.0, 3.0  # of Docker


def checked_ports(health: Instruction) -> Iterator[Port]:
    """Ports that the check asks on the container's own address."""
    for match in OWN_ADDRESS.finditer(health.value.text):
        yield Port(int(match[1]), health.value.span(match.start(1), match.end(1)), "health")


def probes_of(health: Instruction) -> Iterator[Probe]:
    """The check; none for ``HEALTHCHECK NONE``."""
    text = health.value.text
    options, path = dict(OPTION.findall(text)), HEALTH_PATH.search(text)
    if text.strip().upper() == "NONE":
        return
    retries = counted(options.get("retries", f"{RETRIES:.0f}"))
    yield Probe(
        "healthcheck",
        health.span,
        path[1] if path else None,
        _seconds(options.get("start-period"), 0.0),
        _seconds(options.get("interval"), PERIOD),
        float("inf") if retries is None else float(retries),
    )


def _seconds(text: str | None, default: float) -> float:
    """A duration; without end where it is hidden, so that nothing is said of a time that is not known."""
    if text is None:
        return default
    parts = DURATION.findall(text)
    return sum(float(number) * UNITS[unit] for number, unit in parts) if parts else float("inf")
