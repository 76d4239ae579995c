"""How a model can be laid out over the GPUs at hand: tensor, pipeline and data parallel sizes, in order of preference.

Only what divides is enumerated; whether it fits is for the memory plan to say. Tensor parallel groups stay within a
node, stages may cross nodes.
Source: vLLM 0.33.0 config/model.py::verify_with_parallel_config, model_executor/layers/linear.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmtune.calc.traits import is_moe
from llmtune.spec.record import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llmtune.spec.engine import EngineVersion
    from llmtune.spec.hardware import Hardware
    from llmtune.spec.model import Model

SLOW_LINK_TENSOR = 2  # over PCIe the all-reduces of more than two GPUs eat what the extra bandwidth gives


@dataclass(frozen=True, slots=True)
class Layout:
    """Parallel sizes. ``experts``: whole experts per GPU instead of a slice of every expert."""

    tensor: int
    pipeline: int = 1
    data: int = 1
    experts: bool = False

    @property
    def gpus(self) -> int:
        """GPUs it takes."""
        return self.tensor * self.pipeline * self.data

    def __str__(self) -> str:
        """As people write it: TP 2 x DP 4."""
        parts = [f"TP {self.tensor}"] if self.tensor > 1 else []
        parts += [f"PP {self.pipeline}"] if self.pipeline > 1 else []
        parts += [f"DP {self.data}"] if self.data > 1 else []
        parts += ["EP"] if self.experts else []
        return " x ".join(parts) or "1 GPU"


@dataclass(frozen=True, slots=True)
class Pins:
    """Parallel sizes that the user has set; None where the choice is free."""

    tensor: int | None = None
    pipeline: int | None = None
    data: int | None = None
    experts: bool | None = None


def enumerate_layouts(model: Model, hardware: Hardware, engine: EngineVersion, *, pins: Pins, aim: str) -> list[Layout]:
    """Layouts that use all GPUs, or as many as divide, best first for the aim.

    Example:
        32 heads, 8 KV heads, 4 GPUs of one node, aim throughput: DP 4, TP 2 x DP 2, TP 4, then pipelines.

    """
    found = list(_valid(model, hardware, engine, pins))
    if not found:
        return []
    most = max(layout.gpus for layout in found)
    fast = hardware.gpu.nvlink_bandwidth is not None
    return sorted((layout for layout in found if layout.gpus == most), key=lambda one: _preference(one, aim, fast=fast))


def _valid(model: Model, hardware: Hardware, engine: EngineVersion, pins: Pins) -> Iterator[Layout]:
    replicas = "data-parallel-size" in engine.options
    moe = is_moe(model)
    for tensor in range(1, hardware.gpus_per_node + 1):
        if pins.tensor not in {None, tensor} or not _splits(model, tensor):
            continue
        for pipeline in range(1, min(hardware.gpus // tensor, model.layers) + 1):
            if pins.pipeline not in {None, pipeline}:
                continue
            # Replicas over several nodes need an address and a rank for each node, which one command cannot hold.
            spread_out = hardware.nodes > 1 or not replicas
            data = pins.data or (1 if spread_out else hardware.gpus // (tensor * pipeline))
            if tensor * pipeline * data > hardware.gpus:
                continue
            spread = moe and tensor * data > 1
            for experts in (False, True) if spread and pins.experts is None else (bool(pins.experts),):
                yield Layout(tensor, pipeline, data, experts)


def _splits(model: Model, tensor: int) -> bool:
    """Whether heads divide; KV heads divide or are copied."""
    if model.heads and model.heads % tensor:
        return False
    heads = model.kv_heads
    return not heads or (heads % tensor == 0 if tensor <= heads else tensor % heads == 0)


def _preference(layout: Layout, aim: str, *, fast: bool) -> tuple[int, ...]:
    """Smaller sorts first. Pipelines last: they add latency and idle stages.

    Replicas of an expert model share its experts, whole ones per GPU (EP) rather than slices of all; within tensor
    parallelism alone slices come first, since they balance by themselves.
    """
    cut = layout.experts if layout.data == 1 else not layout.experts
    if aim == "latency":
        useful = min(layout.tensor, layout.tensor if fast else SLOW_LINK_TENSOR)
        return layout.pipeline, -useful, layout.tensor, cut
    return layout.pipeline, layout.tensor, cut
