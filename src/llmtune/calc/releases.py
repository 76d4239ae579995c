"""Whether a release's tables speak for a server, and what became of a name in it: for rules about releases."""

from __future__ import annotations

import re
from enum import Enum
from typing import TYPE_CHECKING, Any

from llmtune.spec.record import dataclass
from llmtune.spec.word import is_unknown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llmtune.calc.case import Case
    from llmtune.spec.finding import Finding, Notice

# Images with a plug-in in them that adds options and variables of its own.
PLUGINS = frozenset({"tpu", "neuron", "ascend", "gaudi", "intel", "vllm-omni", "nlzy", "nim", "kserve"})
MOVING = re.compile(r"latest(?:-.*)?|nightly.*|stable|main")
NUMBERS = re.compile(r"v?(\d+)\.(\d+)")
UNFINISHED = re.compile(r"rc|dev|nightly|\+|[0-9]a[0-9]|[0-9]b[0-9]")


class Trust(Enum):
    """How far the release's tables can be believed for a server.

    FULL: somebody names the release of vLLM itself. ASSUMED: nobody names one, so it is the newest known. BUILD: an
    image of somebody else with a known release, which may have more than vLLM. HIDDEN: it is vLLM, of a release that a
    variable hides or that is not known here. NONE: nothing can be said.
    """

    FULL = "full"
    ASSUMED = "assumed"
    BUILD = "build"
    HIDDEN = "hidden"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of a flag. ``kind``: removed, later (it comes in a later release) or unknown."""

    kind: str
    name: str
    history: Any = None


def trust(case: Case) -> Trust:
    """How far the option table and the history of ``case.engine`` hold for a server."""
    source, image = case.facts.release_from, case.facts.image
    if source in {"option", "file"}:
        return Trust.HIDDEN if source == "file" and beyond(case, case.value_of(case.server.release)) else Trust.FULL
    if case.around.image is None:
        stated = case.server.release is not None and source == "newest"
        return Trust.HIDDEN if stated else Trust.ASSUMED
    if image is None or image.runs_vllm is not True or image.vendor in PLUGINS:
        return Trust.NONE
    if image.vendor is not None:
        return Trust.BUILD if source == "image" else Trust.NONE
    if source == "image":
        return Trust.HIDDEN if beyond(case, image.release) else Trust.FULL
    told = case.value_of(case.around.image) is not None  # no variable hides the tag
    moving = told and image.digest is None and (image.tag is None or MOVING.fullmatch(image.tag))
    return Trust.ASSUMED if moving else Trust.HIDDEN


def beyond(case: Case, stated: object) -> bool:
    """Whether the release that is stated is another one than the table: newer or older than all that are known."""
    known, wanted = NUMBERS.match(case.engine.release), NUMBERS.match(str(stated))
    return known is not None and wanted is not None and known.groups() != wanted.groups()


def about(case: Case, says: str) -> str:
    """What the release does, with a word on where it comes from if nobody named it.

    Example: ``vLLM 0.20.0 refuses it``; ``no release is named here; vLLM 0.33.0, the newest known, refuses it``.
    """
    if case.release_known:
        return f"vLLM {case.release} {says}"
    return f"no release is named here; vLLM {case.release}, the newest known, {says}"


def confidence(case: Case) -> str:
    """The confidence of what a release's table says: less than certain where somebody else built the image."""
    return "" if trust(case) is Trust.FULL else "likely"


def unfinished(case: Case) -> bool:
    """Whether the release is one that was still being worked on, which may have what the next one has."""
    tag = getattr(case.facts.image, "tag", None) or ""
    return bool(UNFINISHED.search(case.release) or UNFINISHED.search(tag.partition("-")[0]) or "nightly" in tag)


def fate(case: Case, flag: str) -> Fate:
    """What became of a flag that the release's parser does not know; ``flag`` as written (``--swap-space``)."""
    name = flag.replace("_", "-").removeprefix("--")
    for known in (name, name.removeprefix("no-")):
        history = case.facts.history.flag_history(known)
        if history is None:
            continue
        if not case.facts.history.within(case.engine, None, history.last):
            return Fate("removed", known, history)
        if not case.facts.history.within(case.engine, history.first, None):
            return Fate("later", known, history)
    return Fate("unknown", name)


def notices(case: Case, *names: str) -> Iterator[Notice]:
    """What reading the file found under some names."""
    yield from (notice for notice in case.notices if notice.name in names)


def by_table(case: Case, name: str, *, forks: bool = False) -> Iterator[Finding]:
    """What reading the file found under a rule's name, where the release's table speaks for the server.

    Forks have choices and keys of their own (``forks``: not of what this rule is about), and so may a release that is
    not known.
    """
    level = trust(case)
    if level in {Trust.NONE, Trust.HIDDEN} or (level is Trust.BUILD and not forks):
        return
    assumed = level is Trust.ASSUMED
    for notice in notices(case, name):
        if gone(case, notice) is None:
            note, sure = (about(case, "refuses it"), "likely") if assumed else ("", "")
            yield case.finding(notice.message, notice.span, note=note, fix=notice.fix, confidence=sure)


def gone(case: Case, notice: Notice) -> Fate | None:
    """What a notice is about, if it is a flag that an earlier release had."""
    found = fate(case, notice.flag) if notice.flag and not is_unknown(notice.flag) else None
    return found if found is not None and found.kind == "removed" else None
