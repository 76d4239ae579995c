"""GPUs: which there are, and the one that a text names.

One file per GPU, ``data/gpus/<name>.json``. Look-up compares *sets of words*, never parts of words: a text is cut into
words, words that say nothing (``NVIDIA``, ``GeForce``, ``GPU``) fall away, and a GPU matches when the text holds all
words of one of its spellings (name, product, aliases) and no word that is foreign to it. So ``a10`` is never an A100
and ``a100-40`` is never the 80 GB card. A short name belongs to the variant that lists it among its aliases: ``h100``
is ``h100-sxm``, ``a100`` is ``a100-sxm-80gb``.
"""

from __future__ import annotations

import json
import re
from functools import lru_cache
from pathlib import Path
from typing import Any

from llmtune.catalog import UnknownName
from llmtune.spec.hardware import Gpu

DATA = Path(__file__).parent / "data" / "gpus"
NAME = re.compile(r"(?!.{80})[a-z0-9]+(?:-[a-z0-9]+)*")  # longer ones are no file names
# Words that are in product names but tell no two GPUs of the catalogue apart.
NOISE = frozenset(
    {
        *("nvidia", "amd", "ati", "corporation", "inc", "tm", "r"),
        *("tesla", "quadro", "geforce", "rtx", "instinct", "radeon"),
        *("graphics", "gpu", "card", "accelerator", "tensor", "core", "edition", "generation", "gb", "gib", "ecc"),
        *("hbm", "hbm2", "hbm2e", "hbm3", "hbm3e", "gddr5", "gddr6", "gddr6x", "gddr7"),
    }
)
EXACT = 100  # more than any spelling has words
FORM_FACTOR = re.compile(r"(sxm|pcie|nvl)\d*")  # SXM5 says no more than SXM, and people write h100sxm
GLUED = re.compile(
    r"(?<![a-z])(rtx|rx|gtx)(?=\d)|(?<=\d{4})(?=(?:ti(?:super)?|super|d|xtx|xt)(?![a-z]))|(?<=ti)(?=super)"
)
SIZE = re.compile(r"(\d{1,3})(?:g|gb|gib)|(\d{2,3})")  # "80GB", "80G", "80"; model numbers have four digits


@lru_cache(maxsize=1)
def names() -> tuple[str, ...]:
    """The canonical name of every GPU, sorted."""
    return tuple(sorted(path.stem for path in DATA.glob("*.json")))


@lru_cache(maxsize=128)
def find(text: str, *, total_memory: int | None = None) -> Gpu:
    """The GPU that ``text`` names: a canonical name, a product string of NVML or rocm-smi, or what people write.

    Cards with one product string and several sizes (RTX 3080, RTX 4060 Ti, Orin) are told apart by ``total_memory`` in
    bytes, as probed; without it the smallest is meant, so that no plan counts on memory that is not there.

    Raises:
        UnknownName: when it names no GPU of the catalogue.

    Example:
        >>> find("NVIDIA H100 80GB HBM3").name, find("a100-40").name, find("RTX4090").name
        ('h100-sxm', 'a100-sxm-40gb', 'rtx-4090')
    """
    name = text.strip().casefold()
    if NAME.fullmatch(name) and (DATA / f"{name}.json").is_file():
        return load(name)
    wanted = _words(text)
    matches = [(rank, gpu) for gpu in _all() if (rank := _rank(wanted, gpu))]
    if not matches:
        raise UnknownName("GPU", text, {word: gpu.name for gpu in _all() for word in (gpu.name, *gpu.aliases)})
    best = max(rank for rank, _ in matches)
    return _pick([gpu for rank, gpu in matches if rank == best], total_memory)


@lru_cache(maxsize=256)
def load(name: str) -> Gpu:
    """The GPU of exactly this canonical name."""
    data: dict[str, Any] = json.loads((DATA / f"{name}.json").read_text(encoding="utf-8"))
    capability = data.get("compute_capability")
    return Gpu(
        name=name,
        product=data["product"],
        vendor=data["vendor"],
        architecture=data["architecture"],
        aliases=tuple(data["aliases"]),
        total_memory=data["total_memory"],
        bandwidth=data["bandwidth"],
        flops=data["flops"],
        compute_capability=_capability(capability) if capability else None,
        gfx=data.get("gfx"),
        multiprocessors=data["multiprocessors"],
        nvlink_bandwidth=data["nvlink_bandwidth"],
        pcie_bandwidth=data["pcie_bandwidth"],
        integrated=data["integrated"],
        source=tuple(data["source"]),
        coherent=data.get("coherent", False),
        bridge_bandwidth=data.get("bridge_bandwidth"),
        peer_to_peer=data.get("peer_to_peer", True),
    )


def _capability(text: str) -> tuple[int, int]:
    major, minor = text.split(".")
    return int(major), int(minor)


@lru_cache(maxsize=1)
def _all() -> tuple[Gpu, ...]:
    return tuple(load(name) for name in names())


def _words(text: str) -> frozenset[str]:
    """The words that identify a GPU: ``NVIDIA H100 80GB HBM3`` → {h100, 80gb}; ``rtx4090`` → {4090}."""
    spaced = FORM_FACTOR.sub(r" \1 ", GLUED.sub(lambda found: f"{found.group()} ", text.casefold()))
    words = re.findall(r"[a-z0-9]+", spaced)
    return frozenset(_size(word) for word in words) - NOISE


def _size(word: str) -> str:
    """One spelling for all ways to write a memory size; any other word as it is."""
    found = SIZE.fullmatch(word)
    return f"{found[1] or found[2]}gb" if found else word


@lru_cache(maxsize=256)
def _spellings(gpu: Gpu) -> tuple[frozenset[str], ...]:
    return tuple(_words(spelling) for spelling in (gpu.name, gpu.product, *gpu.aliases))


def _rank(wanted: frozenset[str], gpu: Gpu) -> int:
    """How well the words name the GPU: 0 not at all, else the size of the largest spelling found in them.

    A spelling that is all of the text outranks everything, so that an alias decides what a short name means.
    """
    spellings = _spellings(gpu)
    known = frozenset[str]().union(*spellings) | {gpu.architecture, gpu.vendor}
    if not wanted <= known:
        return 0
    if wanted in spellings:
        return EXACT
    return max((len(spelling) for spelling in spellings if spelling <= wanted), default=0)


def _pick(gpus: list[Gpu], total_memory: int | None) -> Gpu:
    if total_memory is None:
        return min(gpus, key=lambda gpu: (gpu.total_memory, gpu.name))
    return min(gpus, key=lambda gpu: (abs(gpu.total_memory - total_memory), gpu.name))
