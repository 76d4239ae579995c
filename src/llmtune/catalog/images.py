"""Container images: what a reference (``vllm/vllm-openai:v0.11.0``) says about the engine in it.

``data/images.json`` is a list; the first entry whose ``repository`` matches counts. Its keys:

    repository  a pattern for the name without Docker Hub's own; ``(.+/)?`` in front of it stands for mirrors
    vllm        false where it runs something else, null where that is open
    vendor      who builds it, when it is not the vLLM project
    release     "tag" where tags begin with vLLM's release, or a pattern whose group is the release
    releases    vLLM's release by tag; ``v0.5.1`` is also the beginning of ``v0.5.1-rc2``
    entrypoint  what the arguments follow, or that by the first release that has it
    cpu         true, or a pattern for tags of images without a GPU build
    source      where this is written
"""

from __future__ import annotations

import json
import re
from functools import lru_cache
from pathlib import Path
from typing import Any

from llmtune.catalog import engines
from llmtune.spec.image import Image
from llmtune.spec.word import END, HOLE

DATA = Path(__file__).parent / "data" / "images.json"
HIDDEN = re.compile(
    rf"{HOLE}.*?{END}|\$\{{[^}}]*\}}|\$\([^)]*\)|\$\w+|\{{\{{.*?\}}\}}|<[^>]*>|\[\[.*?\]\]|%\(.*?\)s|%\w+%",
    re.DOTALL,
)
SCHEME = re.compile(r"(?:docker|oci|containers-storage)://|docker:(?!\d)|(?<=\bnvcr\.io)#")
DOCKER_HUB = re.compile(r"(?:docker\.io|index\.docker\.io|registry-1\.docker\.io|registry\.hub\.docker\.com)/")
RELEASE = re.compile(r"v?(\d+\.\d+(?:\.\d+)?(?:\.(?:post)?\d+)?)(?:[-_+].*|(?:rc|dev|a|b)\d+.*)?")
MOVING = re.compile(r"latest(?:-.*)?|nightly.*")
LONGEST = 128  # of a tag; what is longer is no reference
MASK = "\0"


@lru_cache(maxsize=256)
def identify(image: str) -> Image:
    """What an image reference says; never fails, an odd reference is an image of which nothing is known.

    What a variable or a template hides is not known: neither a tag with a hole nor its release.

    Example:
        >>> identify("vllm/vllm-openai:v0.10.2-x86_64").release
        '0.10.2'

    """
    repository, tag, digest = split(image)
    known = _entry(repository)
    if known is None:
        return Image(repository, tag, digest)
    release = _release(known, tag)
    cpu = known.get("cpu", False)
    return Image(
        repository=repository,
        tag=tag,
        digest=digest,
        runs_vllm=known.get("vllm", True),
        release=release,
        entrypoint=_entrypoint(known, tag, digest, release),
        cpu=cpu if isinstance(cpu, bool) else tag is not None and re.fullmatch(cpu, tag) is not None,
        vendor=known.get("vendor"),
    )


def split(image: str) -> tuple[str, str | None, str | None]:
    """Repository, tag and digest of a reference; a registry's port is no tag, nor is what stands inside a variable.

    >>> split("localhost:5000/vllm:${TAG:-latest}@sha256:0f1e")
    ('localhost:5000/vllm', '${TAG:-latest}', 'sha256:0f1e')
    """
    text = SCHEME.sub(lambda match: "/" if match[0] == "#" else "", image.strip().strip("'\""), count=1)
    # Variables are masked character by character, so that positions stay.
    masked = HIDDEN.sub(lambda match: MASK * len(match[0]), text)
    at = masked.find("@")
    digest = text[at + 1 :] or None if at >= 0 else None
    end = at if at >= 0 else len(text)
    colon = masked.rfind(":", masked.rfind("/", 0, end) + 1, end)
    if colon < 0:
        return text[:end], None, digest
    return text[:colon], text[colon + 1 : end] or None, digest


def _entry(repository: str) -> dict[str, Any] | None:
    name = DOCKER_HUB.sub("", repository.casefold(), count=1)
    return next((entry for entry in _entries() if re.fullmatch(entry["repository"], name)), None)


@lru_cache(maxsize=1)
def _entries() -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = json.loads(DATA.read_text(encoding="utf-8"))
    return entries


def _release(known: dict[str, Any], tag: str | None) -> str | None:
    """The release of vLLM in an image, from its tag."""
    if tag is None or len(tag) > LONGEST or HIDDEN.search(tag):
        return None
    for listed, release in known.get("releases", {}).items():
        if tag == listed or tag.startswith(f"{listed}-"):
            return str(release)
    pattern = known.get("release")
    if pattern is None:
        return None
    match = (RELEASE if pattern == "tag" else re.compile(pattern)).fullmatch(tag)
    return match[1] if match else None


def _entrypoint(known: dict[str, Any], tag: str | None, digest: str | None, release: str | None) -> str | None:
    """What the arguments follow; tags that move have what the newest release has."""
    by_release = known.get("entrypoint")
    if not isinstance(by_release, dict):
        return by_release
    if release is None and digest is None and (tag is None or MOVING.fullmatch(tag)):
        release = engines.newest()
    if release is None:
        return None
    at = engines.parts(release)
    return next((what for since, what in reversed(by_release.items()) if engines.parts(since) <= at), None)
