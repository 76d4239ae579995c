"""Memory sizes as people write them."""

from __future__ import annotations

import re

from llmtune.cli.errors import UserError

SIZE = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,6})?)\s*([a-z]*)")
UNITS = {
    "": 1, "b": 1, "kib": 2**10, "mib": 2**20, "gib": 2**30, "tib": 2**40,
    "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12,
}  # fmt: skip
GIB = 2**30
SMALLEST, LARGEST = GIB, 2**42  # 1 GiB and 4 TiB: no GPU that vLLM runs on is outside


def read_size(option: str, text: str, *, smallest: int = SMALLEST) -> int:
    """A memory size in bytes.

    Example:
        >>> read_size("--gpu-memory", "79.2GiB"), read_size("--gpu-memory", "80 GB")
        (85040352460, 80000000000)

    """
    found = SIZE.fullmatch(text.strip().casefold())
    if found is None or found[2] not in UNITS:
        raise UserError(f"{option} '{text}' is no size: write 79.2GiB, 80GB, 81089MiB or bytes")
    size = int(float(found[1]) * UNITS[found[2]]) if "." in found[1] else int(found[1]) * UNITS[found[2]]
    if not smallest <= size <= LARGEST:
        least = "1 GiB" if smallest == GIB else f"{smallest >> 20} MiB"
        hint = f"; did you mean {found[1]}GiB?" if not found[2] and 0 < size < LARGEST // GIB else ""
        raise UserError(f"{option} '{text}' is {size} bytes, outside of {least} to 4 TiB{hint}")
    return size
