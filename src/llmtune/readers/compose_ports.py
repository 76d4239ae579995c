"""Ports of a Compose service: published, exposed to other services, and asked by its health check."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from llmtune.readers.compose_text import fields, filled, interpolate
from llmtune.spec.surroundings import UNKNOWN, Fact, Port
from llmtune.spec.word import is_unknown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llmtune.readers.source import Excerpt
    from llmtune.readers.yaml_tree import Yaml
    from llmtune.spec.span import Span

OWN_ADDRESS = re.compile(r"(?:localhost|127\.0\.0\.1|0\.0\.0\.0|\[::1?\]):(\d{1,5})(?!\d)")
IPV6 = re.compile(r"\[[0-9A-Fa-f:.]*\](?=:)")
RANGE = re.compile(r"(\d{1,5})(?:-(\d{1,5}))?")
LOOPBACK = re.compile(r"127\.|localhost$|\[?::1\]?$")
MOST = 64  # entries, and ports of one range, that are looked at
LARGEST = 65535


def ports_of(service: Yaml) -> tuple[tuple[Port, ...], Fact[str] | None]:
    """Every port that the service names; ``published`` where one of them can be reached from outside."""
    ports: list[Port] = []
    exposure: Fact[str] | None = None
    for item in service["ports"].items[:MOST]:
        address, published, target, span = _long(item) if item.is_mapping else _short(item)
        ports += [Port(number, span, "container") for number in _numbers(target)]
        where = None if not address or is_unknown(address) else address
        ports += [Port(number, span, "published", where) for number in _numbers(published)]
        if address and LOOPBACK.match(address):
            continue
        hidden = bool(address) and is_unknown(address)
        if exposure is None or exposure.value is UNKNOWN:
            exposure = Fact[str](UNKNOWN if hidden else "published", span)
    ports += [
        Port(number, item.span, "container")
        for item in service["expose"].items[:MOST]
        for number in _numbers(filled(item).partition("/")[0])
    ]
    ports += list(_checked(service["healthcheck"]))
    return tuple(ports), exposure


def _short(item: Yaml) -> tuple[str, str, str, Span]:
    """``address:published:target/protocol``; the address may be one of IPv6 in brackets."""
    text = filled(item)
    version6 = IPV6.match(text)
    parts = fields(text[version6.end() :] if version6 else text)
    target = parts.pop().partition("/")[0] if parts else ""
    published = parts.pop() if parts else ""
    return version6[0] if version6 else parts[-1] if parts else "", published, target, item.span


def _long(item: Yaml) -> tuple[str, str, str, Span]:
    published, target = item["published"], item["target"]
    return filled(item["host_ip"]), filled(published), filled(target), (target or item).span


def _numbers(text: str) -> list[int]:
    """``8000`` or ``8000-8010``; none where they are hidden."""
    found = RANGE.fullmatch(text.strip())
    if found is None:
        return []
    first, last = int(found[1]), int(found[2] or found[1])
    return list(range(first, min(last, first + MOST) + 1)) if last <= LARGEST else []


def _checked(check: Yaml) -> Iterator[Port]:
    """Ports that the health check asks on the container's own address."""
    test = check["test"]
    if check["disable"].text == "true":
        return
    for node in [*test.items, *([test] if test.is_text else [])]:
        excerpt: Excerpt = interpolate(node.excerpt)
        for match in OWN_ADDRESS.finditer(excerpt.text):
            yield Port(int(match[1]), excerpt.span(match.start(1), match.end(1)), "health")
