"""Hardware: a GPU as its runtime sees it, a cloud machine that carries it, and the machines a deployment runs on."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING

from llmtune.spec.record import dataclass

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Gpu:
    """One GPU: what the runtime enumerates as a device (one GCD of an MI250X, one of the four GPUs of an A16).

    ``total_memory`` is what CUDA or HIP reports (``cudaMemGetInfo``), in bytes; it is less than the number on the box.
    ``flops`` maps a dtype (``fp32``, ``tf32``, ``fp16``, ``bf16``, ``fp8``, ``int8``, ``fp4``) to dense operations per
    second; a dtype that is missing has no native support, and an empty mapping means that the rates are not known.
    ``nvlink_bandwidth`` counts both directions of all links of one GPU (Infinity Fabric on AMD);
    ``pcie_bandwidth`` counts one direction. None means that there is none or that it is not known.
    """

    name: str
    product: str
    vendor: str
    architecture: str
    aliases: tuple[str, ...]
    total_memory: int
    bandwidth: int | None
    flops: Mapping[str, float] = field(hash=False)  # a dict: left out so that a GPU can key a cache
    compute_capability: tuple[int, int] | None
    gfx: str | None
    multiprocessors: int | None
    nvlink_bandwidth: int | None
    pcie_bandwidth: int | None
    integrated: bool
    source: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Instance:
    """One cloud machine type; ``gpu`` is a catalogue name, ``fabric_bandwidth`` bytes per second, one direction."""

    name: str
    cloud: str
    gpu: str
    gpus: int
    fabric_bandwidth: int | None
    source: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Hardware:
    """The machines of one deployment: equal nodes with equal GPUs.

    ``free_memory`` is bytes free on the fullest GPU when somebody looked; ``origin`` says where this was read.
    """

    gpu: Gpu
    gpus_per_node: int
    nodes: int = 1
    node_bandwidth: int | None = None
    free_memory: int | None = None
    shared_with_display: bool = False
    origin: str = "catalog"

    @property
    def gpus(self) -> int:
        """GPUs of all nodes together."""
        return self.gpus_per_node * self.nodes
