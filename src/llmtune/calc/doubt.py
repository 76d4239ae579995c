"""When the intervals of the estimated parts leave it open whether the engine starts, and what it may lack later.

A plan says what happens with every part at its expected size. Where the other end of an interval would turn that
round, the answer is too close to call, and the part with the widest interval is what decides.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.calc.activations import after_profile

if TYPE_CHECKING:
    from collections.abc import Sequence

    from llmtune.spec.deployment import Resolved
    from llmtune.spec.engine import EngineVersion
    from llmtune.spec.memory import Failure, Part
    from llmtune.spec.model import Model

GIB = 2**30
UNSURE = frozenset({"kv_cache", "weights"})  # failures that a smaller part beside the KV cache may prevent


def doubt_of(charged: Sequence[Part], *, low: int, high: int, needed: int, failure: Failure | None) -> str:
    """What decides where it is too close to call; empty where the answer is clear.

    ``low`` and ``high`` are the bytes left for the KV cache at worst and at best, ``needed`` what it must hold.
    """
    if needed <= 0 or not any(part.high > part.low for part in charged):
        return ""
    if failure is None and low < needed:
        return _close("worst", low, needed, charged)
    if failure is not None and failure.kind in UNSURE and high >= needed:
        return _close("best", high, needed, charged)
    return ""


def _close(end: str, left: int, needed: int, charged: Sequence[Part]) -> str:
    widest = max(charged, key=lambda part: part.high - part.low)
    return (
        f"at {end} {left / GIB:.2f} GiB are left for the KV cache, and {needed / GIB:.2f} are needed; the widest "
        f"interval decides: {widest.name}, {widest.low / GIB:.2f} to {widest.high / GIB:.2f} GiB"
    )


def short_of(parts: Sequence[Part], missing: int) -> str:
    """What decides where all parts together are expected to take more than the GPU has; empty where they do not."""
    if missing <= 0:
        return ""
    widest = max((part for part in parts if part.name != "KV cache"), key=lambda part: part.high - part.low)
    return (
        f"all parts together take {missing / GIB:.2f} GiB more than the GPU has; the widest interval decides: "
        f"{widest.name}, {widest.low / GIB:.2f} to {widest.high / GIB:.2f} GiB"
    )


def risks_of(model: Model, resolved: Resolved, engine: EngineVersion, *, peak: int, unused: int) -> tuple[str, ...]:
    """What may run out of memory although the engine starts its profile run well.

    ``peak`` are the bytes that the profile run reserves for activations, ``unused`` those that nothing is planned for.
    """
    later = after_profile(model, resolved, engine=engine)
    missing = later - max(0, unused)
    if later == 0 or missing <= 0:
        return ()
    full = (peak + later) / GIB
    return (
        f"sampling with penalties, top-k or logprobs for {resolved.max_num_seqs} requests takes up to {full:.1f} GiB; "
        f"the start-up profile reserves {peak / GIB:.1f}, and {max(0, unused) / GIB:.1f} are spare: warm-up or a full "
        "batch may run out of memory; lower --max-num-seqs or --gpu-memory-utilization",
    )
