"""Cloud machine types: which there are, and the one that a text names. Data: ``data/instances/<name>.json``."""

from __future__ import annotations

import json
import re
from functools import lru_cache
from pathlib import Path
from typing import Any

from llmtune.catalog import UnknownName
from llmtune.spec.hardware import Instance

DATA = Path(__file__).parent / "data" / "instances"
NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,79}")  # longer ones are no file names
PREFIX = re.compile(r"(?:standard[\s_-]+|ml\.)")  # Azure sizes are written with and without it; SageMaker adds ml.


@lru_cache(maxsize=1)
def names() -> tuple[str, ...]:
    """The name of every machine type, sorted."""
    return tuple(sorted(path.stem for path in DATA.glob("*.json")))


@lru_cache(maxsize=128)
def find(text: str) -> Instance:
    """The machine type that ``text`` names; case, separators, ``Standard_`` and ``ml.`` do not matter.

    Raises:
        UnknownName: when the catalogue does not have it.

    Example:
        >>> find("ND96isr H100 v5").gpus, find("ml.p5.48xlarge").gpu
        (8, 'h100-sxm')
    """
    name = text.strip().casefold()
    if NAME.fullmatch(name) and (DATA / f"{name}.json").is_file():
        return load(name)
    wanted = _squeezed(name)
    for known in names():
        if _squeezed(known) == wanted:
            return load(known)
    raise UnknownName("instance", text, names())


@lru_cache(maxsize=256)
def load(name: str) -> Instance:
    """The machine type of exactly this name."""
    data: dict[str, Any] = json.loads((DATA / f"{name}.json").read_text(encoding="utf-8"))
    return Instance(
        name=name,
        cloud=data["cloud"],
        gpu=data["gpu"],
        gpus=data["gpus"],
        fabric_bandwidth=data["fabric_bandwidth"],
        source=tuple(data["source"]),
    )


def _squeezed(text: str) -> str:
    """The name without its prefix and separators; dots stay, they set ``g5.2xlarge`` apart."""
    return re.sub(r"[\s_-]+", "", PREFIX.sub("", text, count=1) if PREFIX.match(text) else text)
