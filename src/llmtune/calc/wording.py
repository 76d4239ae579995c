"""Numbers and names as messages give them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from llmtune.spec.hardware import Hardware
    from llmtune.spec.model import Model

GIB = 2**30


def gib(size: float) -> str:
    """Bytes as GiB: ``18.0 GiB``; two decimals below one."""
    amount = size / GIB
    return f"{amount:.1f} GiB" if abs(amount) >= 1 else f"{amount:.2f} GiB"


def one_gpu(hardware: Hardware) -> str:
    """What a size per GPU is said of: ``one l4``, ``each of 4 x h100-sxm``."""
    name = hardware.gpu.name
    return f"each of {hardware.gpus} x {name}" if hardware.gpus > 1 else f"one {name}"


def stored_as(model: Model) -> str:
    """The format of a checkpoint as people call it: ``awq``, whichever name the engine has for it now."""
    return (model.quantization or model.dtype).removeprefix("auto_")


def listed(items: Iterable[object], word: str = "and") -> str:
    """A list in words: ``1, 2 and 4``."""
    *front, last = [str(item) for item in items] or [""]
    return f"{', '.join(front)} {word} {last}" if front else last


def count(number: int, noun: str) -> str:
    """``1 GPU``, ``3 GPUs``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def seconds(value: float) -> str:
    """A time: ``12.3 ms``, ``250 ms``, ``1.2 s``."""
    if value >= 1:
        return f"{value:.1f} s"
    return f"{1000 * value:.0f} ms" if value >= 0.1 else f"{1000 * value:.1f} ms"  # noqa: PLR2004 - three digits
