"""Who else uses the GPUs: ``--free-memory``, ``--shared-with`` and ``--gpu-share``.

The three options are three ways to say how much memory is free before the server starts, so one of them is enough:

    --free-memory SIZE   so much is free
    --shared-with SIZE   so much is not: other processes take it
    --gpu-share PART     this server may use that part of the GPU, all that it takes counted; others may take the rest
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from llmtune.cli.errors import UserError
from llmtune.cli.sizes import GIB, read_size
from llmtune.spec.record import dataclass

if TYPE_CHECKING:
    from collections.abc import Sequence

    from llmtune.spec.hardware import Hardware

MIB = 2**20
PART = re.compile(r"([0-9]{1,4})\s*/\s*([0-9]{1,4})")
DECIMAL = re.compile(r"[0-9]?\.[0-9]{1,6}|[01]")


@dataclass(frozen=True, slots=True)
class Sharing:
    """The three options, read; at most one is set."""

    free: int | None = None
    others: int | None = None
    share: float | None = None


def read_sharing(free_memory: str | None, shared_with: Sequence[str] | None, gpu_share: str | None) -> Sharing:
    """The options.

    Raises:
        UserError: when one of them is wrong, or more than one is given.

    """
    options = {"--free-memory": free_memory, "--shared-with": shared_with, "--gpu-share": gpu_share}
    given = [name for name, value in options.items() if value]
    if len(given) > 1:
        raise UserError(f"{' and '.join(given)} both say how much of the GPU is free: give one of them")
    return Sharing(
        free=read_size("--free-memory", free_memory) if free_memory is not None else None,
        others=_read_sum(shared_with) if shared_with else None,
        share=read_share(gpu_share) if gpu_share is not None else None,
    )


def _read_sum(texts: Sequence[str]) -> int:
    """``4GiB``, ``4GiB+512MiB``, or several of them."""
    sizes = [size for text in texts for size in text.split("+")]
    return sum(read_size("--shared-with", size, smallest=MIB) for size in sizes)


def read_share(text: str) -> float:
    """A part of the GPU.

    Example:
        >>> read_share("0.45"), read_share("1/2")
        (0.45, 0.5)

    """
    found = PART.fullmatch(text.strip())
    if found is not None and int(found[2]):
        share = int(found[1]) / int(found[2])
    elif DECIMAL.fullmatch(text.strip()):
        share = float(text)
    else:
        raise UserError(f"--gpu-share '{text}' is no part of a GPU: write 0.45 or 1/2")
    if not 0 < share <= 1:
        raise UserError(f"--gpu-share '{text}' lies outside of 0 to 1: it is this server's part of each GPU")
    return share


def apply_sharing(hardware: Hardware, sharing: Sharing) -> tuple[Hardware, tuple[str, ...]]:
    """The hardware with what is free on it, and what to say about that.

    An option stands above what was read from this machine, which is how things are now; a note says where they differ.

    Raises:
        UserError: when it is more than the GPU has, or nothing is left.

    """
    total, seen = hardware.gpu.total_memory, hardware.free_memory
    has = f"the GPU has {total / GIB:.2f} GiB"
    if sharing.free is not None:
        if sharing.free > total:
            raise UserError(
                f"--free-memory {sharing.free / GIB:.2f} GiB is more than the GPU has ({total / GIB:.2f} GiB)"
            )
        return replace(hardware, free_memory=sharing.free), ()
    if sharing.others is not None:
        if sharing.others >= total:
            raise UserError(f"--shared-with {sharing.others / GIB:.2f} GiB leaves nothing: {has}")
        free = total - sharing.others
        hardware = replace(hardware, others=sharing.others, free_memory=free)
        said = f"--shared-with: others take {sharing.others / GIB:.2f} GiB of each GPU, {free / GIB:.2f} GiB are free"
    elif sharing.share is not None:
        free = int(total * sharing.share)
        hardware = replace(hardware, gpu_share=sharing.share, free_memory=free)
        said = (
            f"--gpu-share: this server may use {free / GIB:.2f} of {total / GIB:.2f} GiB, its CUDA context counted; "
            "others may hold the rest when it starts"
        )
    else:
        return replace(hardware, free_memory=None if seen is None else min(seen, total)), ()
    less = f"only {seen / GIB:.2f} GiB are free now, which is less" if seen is not None and seen < free else None
    return hardware, (said,) if less is None else (said, less)
