"""What a deployment can do at most, by its GPU's datasheet: no overhead, no waiting, every kernel at its limit."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from benchmarks.performance_rows import memory_of, site_of

from llmtune.calc.step_work import PEAKS, describe_work

if TYPE_CHECKING:
    from llmtune.calc.shares import Site
    from llmtune.calc.step_work import StepWork

TOUCHED = 0.8  # of the experts that evenly routed tokens would touch: real routing is uneven


@dataclass(frozen=True, slots=True)
class Bounds:
    """What one deployment can do at most. ``tokens`` of KV cache on one replica; None where it does not start."""

    site: Site
    work: StepWork
    tokens: int | None

    @property
    def bandwidth(self) -> float:
        """Bytes a second; without a datasheet figure, so many that nothing is too fast."""
        return float(self.site.hardware.gpu.bandwidth or 1e18)

    def peak(self, kernel: str) -> float:
        """Operations a second of a kernel class."""
        flops = self.site.hardware.gpu.flops
        wide = flops.get("bf16") or flops.get("fp16") or 1e21
        return float(flops.get(PEAKS.get(kernel, ""), wide))

    def step(self, requests: float, context: float) -> float:
        """Least seconds of a step that gives every one of a replica's running requests its next token."""
        work, tokens = self.work, requests * self.work.decode_tokens
        read = sum(part.bytes for part in (*work.dense, *work.head)) + requests * work.state_bytes
        for routed in work.experts:
            even = 1 - (1 - routed.share) ** (tokens * work.replicas)
            read += routed.bytes * max(routed.share, TOUCHED * even)
        for kept in work.caches:
            read += kept.bytes * requests * (min(context, kept.window) if kept.window else context)
        return max(read / self.bandwidth, self.compute(tokens, requests))

    def compute(self, tokens: float, sampled: float) -> float:
        """Least seconds of computing tokens through the layers and sampling some of them; attention left out."""
        work = self.work
        dense = sum(part.flops / self.peak(part.kernel) for part in work.dense)
        routed = sum(part.flops / self.peak(part.kernel) for part in work.experts)
        head = sum(part.flops / self.peak(part.kernel) for part in work.head)
        return tokens * dense + tokens * work.replicas * routed + sampled * head


@cache
def bounds_of(key: str) -> Bounds:
    """The bounds of a deployment, by the key of its rows."""
    site, memory = site_of(key), memory_of(key)
    tokens = memory.kv.tokens if memory.kv is not None and memory.verdict != "no" else None
    return Bounds(site, describe_work(site), tokens)
