"""What an answer assumes about others on the GPU: unified memory, releases that charge others, a desktop."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from llmtune.calc.memory import estimate_memory
from llmtune.calc.sharing import DESKTOP, SERVER, SYSTEM, charges_others
from llmtune.calc.switches import word

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llmtune.calc.shares import Site
    from llmtune.spec.engine import EngineVersion
    from llmtune.spec.hardware import Gpu, Hardware
    from llmtune.spec.memory import Memory

GIB = 2**30
CONSUMER = re.compile(r"GeForce|Radeon RX|TITAN")
LISTED = frozenset({(8, 7), (11, 0), (12, 1)})  # vLLM 0.11.1 utils/mem_utils.py: Orin, Thor, Spark


def about_sharing(site: Site, memory: Memory) -> tuple[str, ...]:
    """What an estimate assumes about others on the GPU."""
    return (*_unified(site.hardware, site.engine), *_charged(site), *_desktop(site, memory))


def _unified(hardware: Hardware, engine: EngineVersion) -> Iterator[str]:
    gpu = hardware.gpu
    if gpu.coherent:
        yield (
            "the system can put its file cache into this GPU's memory, and the engine then finds less of it free: "
            "look before the start, and give --free-memory"
        )
    if not gpu.integrated:
        return
    total = gpu.total_memory
    if hardware.free_memory is None:
        low, high = (total * part / GIB for part in (SYSTEM.low, SYSTEM.high))
        yield (
            f"GPU and system share {total / GIB:.1f} GiB: {low:.0f} to {high:.0f} GiB are taken to belong to the "
            f"system, {SERVER.value / GIB:.1f} to the server's own processes; give what is available as --free-memory"
        )
    else:
        own = f"{SERVER.value / GIB:.1f} GiB"
        yield f"GPU and system share their memory: the server's own processes are taken to need {own} of it"
    if not _counts_available(gpu, engine):
        yield (
            f"vLLM {engine.release} takes the driver's word for what is free here, and that leaves out memory in which "
            "the system caches files: drop the caches before the start (echo 3 > /proc/sys/vm/drop_caches)"
        )


def _counts_available(gpu: Gpu, engine: EngineVersion) -> bool:
    """Whether the release asks the system, not the driver, what is free.

    Source: vLLM 0.11.1 and 0.20.0 utils/mem_utils.py::MemorySnapshot.measure; on CUDA only.
    """
    rule = word(engine, "memory.unified_free")
    return gpu.vendor == "nvidia" and (rule == "integrated" or (rule == "listed" and gpu.compute_capability in LISTED))


def _charged(site: Site) -> Iterator[str]:
    hardware = site.hardware
    if hardware.free_memory is None or not charges_others(site.resolved, site.engine):
        return
    if hardware.free_memory < hardware.gpu.total_memory:
        yield (
            f"vLLM {site.engine.release} counts what others hold against gpu-memory-utilization: "
            "this is the plan for a server that starts after them"
        )


def _desktop(site: Site, memory: Memory) -> Iterator[str]:
    """Where a screen on the GPU would change the answer, and nobody looked."""
    hardware = site.hardware
    if hardware.free_memory is not None or not memory.fits or not CONSUMER.search(hardware.gpu.product):
        return
    watched = replace(hardware, free_memory=hardware.gpu.total_memory - int(DESKTOP.high))
    plan = estimate_memory(site.deployment, site.model, site.resolved, watched, site.engine)
    if not plan.fits or plan.part("unused").bytes < 0:
        low, high = DESKTOP.low / GIB, DESKTOP.high / GIB
        yield (
            f"no screen is taken to hang on this GPU: a desktop holds {low:.1f} to {high:.1f} GiB of it, which this "
            f"plan does not leave; --shared-with {high:.1f}GiB plans with one"
        )
