"""Hardware: a GPU as its runtime sees it, a cloud machine that carries it, and the machines a deployment runs on."""

from __future__ import annotations

from dataclasses import field, replace
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
    ``pcie_bandwidth`` counts one direction. None means that there is none or that it is not known. ``bridge_bandwidth``
    is what NVLink has where an optional bridge joins two boards: nothing counts on it that does not see it. Without
    ``peer_to_peer`` GPUs reach each other over PCIe only through the host's memory, as GeForce drivers have it.
    ``integrated`` GPUs have no memory of their own, they use the system's; ``coherent`` ones have, but the system can
    put its pages there too.
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
    coherent: bool = False
    bridge_bandwidth: int | None = None
    peer_to_peer: bool = True

    @property
    def capability(self) -> str:
        """The compute capability as a word, ``9.0``; empty where there is none."""
        return ".".join(map(str, self.compute_capability or ()))


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

    ``free_memory`` is bytes free on the fullest GPU before the server starts, where somebody looked or said so;
    ``origin`` says where the GPU was read. ``others`` are bytes of each GPU that other processes are said to take, and
    ``gpu_share`` is the part of each GPU's memory that this server may use: both decide ``free_memory``.
    """

    gpu: Gpu
    gpus_per_node: int
    nodes: int = 1
    node_bandwidth: int | None = None
    free_memory: int | None = None
    shared_with_display: bool = False
    origin: str = "catalog"
    others: int | None = None
    gpu_share: float | None = None

    @property
    def gpus(self) -> int:
        """GPUs of all nodes together."""
        return self.gpus_per_node * self.nodes

    def with_gpu(self, gpu: Gpu) -> Hardware:
        """The same machines with another GPU. What was said about others holds there; what was read here does not."""
        free = None
        if self.gpu_share is not None:
            free = int(gpu.total_memory * self.gpu_share)
        elif self.others is not None:
            free = max(0, gpu.total_memory - self.others)
        return replace(self, gpu=gpu, free_memory=free)
